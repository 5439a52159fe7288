/**
 * A small HTTP server: GET of a few fixed paths, and nothing else. What a client can make it do is bounded: how many
 * connections there are, how long each may take for its request, how long it may be silent. Bodies are never read.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Clock } from '../clock.ts'
import { FatalError, messageOf } from '../errors.ts'

/** What a path answers with. */
export interface Answer {
  readonly status: number
  readonly contentType: string
  readonly body: string
}

export interface HttpServerSpec {
  readonly host: string
  /** 0: any that is free. */
  readonly port: number
  readonly clock: Clock
  /** By path, without a query. An answer that rejects is told to `onFailure` and to the client as 500. */
  readonly routes: ReadonlyMap<string, () => Answer | Promise<Answer>>
  /** Something failed that the server survives. */
  readonly onFailure: (error: unknown) => void
}

const CONNECTIONS_MAX = 64
const REQUESTS_PER_CONNECTION_MAX = 1_000
const HEADER_BYTES_MAX = 8 * 1_024
const REQUEST_WITHIN_MS = 5_000
const REQUESTS_CHECKED_EVERY_MS = 5_000
/** Longer than the usual time between two questions for metrics would hold connections for nothing. */
const KEPT_ALIVE_MS = 5_000
const SILENT_MS_MAX = 15_000
/** What is being answered when the server closes gets so long. */
const CLOSE_WITHIN_MS = 500

/** Listens from `open` to `close`. */
export class HttpServer {
  /** Where it listens: `http://127.0.0.1:9464`. */
  readonly origin: string
  private readonly server: Server
  private readonly spec: HttpServerSpec
  private closed: Promise<void> | undefined

  private constructor(server: Server, spec: HttpServerSpec) {
    const { address, family, port } = server.address() as AddressInfo
    this.origin = `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`
    this.server = server
    this.spec = spec
    server.on('error', (error) => spec.onFailure(error))
    server.on('request', (request, response) => {
      this.respond(request, response).catch((error: unknown) => spec.onFailure(error))
    })
  }

  /** Begins to listen. `FatalError` `HTTP_ADDRESS_UNUSABLE` where that cannot be. */
  static async open(spec: HttpServerSpec): Promise<HttpServer> {
    const { host, port } = spec
    const server = createServer({
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: REQUEST_WITHIN_MS,
      requestTimeout: REQUEST_WITHIN_MS,
      keepAliveTimeout: KEPT_ALIVE_MS,
      connectionsCheckingInterval: REQUESTS_CHECKED_EVERY_MS,
    })
    server.maxConnections = CONNECTIONS_MAX
    server.maxRequestsPerSocket = REQUESTS_PER_CONNECTION_MAX
    server.timeout = SILENT_MS_MAX
    await new Promise<void>((resolve, reject) => {
      const refuse = (error: Error): void => {
        const text = `Nothing can be served at ${host}:${port}: ${messageOf(error)}`
        reject(new FatalError('HTTP_ADDRESS_UNUSABLE', text, { cause: error }))
      }
      server.once('error', refuse)
      server.listen(port, host, () => {
        server.off('error', refuse)
        resolve()
      })
    })
    return new HttpServer(server, spec)
  }

  /** Takes no more requests, lets those under way end, for half a second at most, and lets go. Idempotent. */
  close(): Promise<void> {
    this.closed ??= new Promise((resolve) => {
      const timer = this.spec.clock.schedule(CLOSE_WITHIN_MS, () => this.server.closeAllConnections())
      this.server.close(() => {
        timer.cancel()
        resolve()
      })
    })
    return this.closed
  }

  private async respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { status, contentType, body } = await this.answerTo(request)
    const bytes = Buffer.from(body)
    // What follows a body that nobody reads could not be told from it.
    const last = this.closed !== undefined || request.method !== 'GET' || hasBody(request)
    response.writeHead(status, {
      'content-type': contentType,
      'content-length': bytes.length,
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      ...(status === 405 && { allow: 'GET' }),
      ...(last && { connection: 'close' }),
    })
    response.end(bytes)
  }

  private async answerTo({ method, url = '' }: IncomingMessage): Promise<Answer> {
    const { routes, onFailure } = this.spec
    const path = url.split('?', 1)[0]!
    const route = routes.get(path)
    if (route === undefined) return text(404, `There is ${[...routes.keys()].join(', ')}.`)
    if (method !== 'GET') return text(405, 'Only GET is answered.')
    try {
      return await route()
    } catch (error) {
      onFailure(error)
      return text(500, 'This could not be answered; the log of the process says why.')
    }
  }
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

function text(status: number, body: string): Answer {
  return { status, contentType: 'text/plain; charset=utf-8', body: `${body}\n` }
}

/** An answer in JSON, on one line. */
export function json(status: number, body: object): Answer {
  return { status, contentType: 'application/json; charset=utf-8', body: `${JSON.stringify(body)}\n` }
}
