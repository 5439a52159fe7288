# The program millrace. Build: docker build -t millrace . Run: docker run --rm millrace --help
FROM node:22-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
# No install scripts: the one native part, LevelDB, comes built within its package.
RUN npm ci --ignore-scripts
COPY . .
RUN npm run build && npm prune --omit=dev --ignore-scripts

FROM node:22-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/bin ./bin
COPY --from=build /app/dist/src ./dist/src
COPY --from=build /app/schemas ./schemas
COPY --from=build /app/data ./data
# Local state: a volume, so that a container that is made anew need not restore it from the changelog.
RUN mkdir /data && chown node:node /data
VOLUME /data
ENV MILLRACE_DATA_DIR=/data
USER node
ENTRYPOINT ["node", "bin/millrace.mjs"]
CMD ["--help"]
