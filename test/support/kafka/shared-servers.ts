/**
 * One broker and one registry for all test files of a run. The process that runs the tests' workers starts
 * each when the first test asks, and ends them with itself; workers ask it over a port of 127.0.0.1.
 */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { startBroker } from './broker.ts'
import { dockerRuns, startKafkaContainer, startRegistryContainer } from './containers.ts'
import { missingForJava } from './maven.ts'
import { startRegistry } from './registry.ts'

/** The environment variable with the port where workers ask. */
export const ASK_AT = 'KAFKA_FOR_TESTS_PORT'

/** Address of a server, or why there is none. */
export type Found = { readonly address: string } | { readonly missing: string }

/** What a worker can ask for. */
export type ServerName = 'kafka' | 'registry'

interface Held {
  readonly found: Found
  stop(): Promise<void>
}

/** Starts servers when they are first asked for, and holds them until `stop()`. */
export class SharedServers {
  private readonly held = new Map<ServerName, Promise<Held>>()

  /** The address of a running server: given by the environment, in Docker, or as a JVM of this machine. */
  async find(server: ServerName): Promise<Found> {
    let held = this.held.get(server)
    if (held === undefined) this.held.set(server, (held = start(server)))
    return (await held).found
  }

  async stop(): Promise<void> {
    const started = await Promise.allSettled([...this.held.values()])
    this.held.clear()
    await Promise.all(started.map(async (held) => held.status === 'fulfilled' && held.value.stop()))
  }
}

/** Serves `servers` to workers; sets `ASK_AT` in the environment that they inherit. */
export async function serveShared(servers: SharedServers): Promise<Server> {
  const server = createServer((request, response) => {
    const name: ServerName = request.url === '/registry' ? 'registry' : 'kafka'
    servers.find(name).then(
      (found) => response.end(JSON.stringify(found)),
      (error: unknown) => response.writeHead(500).end(String(error)),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  server.unref()
  process.env[ASK_AT] = String((server.address() as AddressInfo).port)
  return server
}

async function start(server: ServerName): Promise<Held> {
  const given = process.env[server === 'kafka' ? 'KAFKA_BROKERS' : 'SCHEMA_REGISTRY']
  if (given !== undefined && given !== '') return { found: { address: given }, stop: async () => undefined }
  if (await dockerRuns()) {
    const container = await (server === 'kafka' ? startKafkaContainer() : startRegistryContainer())
    return { found: { address: container.address }, stop: () => container.stop() }
  }
  const missing = missingForJava()
  if (missing !== null) {
    const found = { missing: `no ${server}: no address given, Docker does not run, ${missing}` }
    return { found, stop: async () => undefined }
  }
  return server === 'kafka' ? startOwnBroker() : startOwnRegistry()
}

async function startOwnBroker(): Promise<Held> {
  const broker = await startBroker()
  return { found: { address: broker.brokers }, stop: () => broker.stop() }
}

async function startOwnRegistry(): Promise<Held> {
  const registry = await startRegistry()
  return { found: { address: registry.url }, stop: () => registry.stop() }
}
