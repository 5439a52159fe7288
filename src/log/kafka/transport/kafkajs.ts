/**
 * KafkaJS as a transport. This is the only file that touches it, and that knows its private parts: the package is
 * pinned to 2.2.4, which is frozen, and test/unit/log/kafka/transport/kafkajs.test.ts pins what is relied upon.
 *
 * Taken from it: sockets, TLS, SASL, framing, correlation of requests and answers, throttling. Each connection is
 * used on its own (KafkaJS keeps two for a broker) and until its first failure, then thrown away: none reconnects.
 */
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'
import kafkajs, { type SASLOptions } from 'kafkajs'
import { assert } from '../../../assert.ts'
import { messageOf } from '../../../errors.ts'
import type { KafkaSasl, OpenSocket } from '../options.ts'

const KEEP_ALIVE_DELAY_MS = 60_000
/** In the message of the error of a connection for which there was no bearer token. */
export const NO_TOKEN = 'no bearer token'

/** An API's lowest and highest version that a broker speaks. */
export interface VersionRange {
  readonly minVersion: number
  readonly maxVersion: number
}

/** A request as it is handed over: everything behind the client id in its header. */
export interface RawRequest {
  readonly apiKey: number
  readonly apiVersion: number
  readonly apiName: string
  readonly body: Buffer
}

/** One connection to one broker, authenticated. */
export interface RawConnection {
  /** By API number. */
  readonly versions: Readonly<Record<number, VersionRange>>
  /** False once it is lost, closed, or about to be asked to prove itself again: open another one then. */
  readonly usable: boolean
  /**
   * What `decode` makes of the answer (all that stands behind its correlation id). Rejects with KafkaJS's errors when
   * the connection is lost, and with whatever `decode` throws.
   */
  send<T extends { readonly throttleMs: number }>(
    request: RawRequest,
    decode: (answer: Buffer) => T,
  ): Promise<T>
  /** Drops the connection; what is in flight rejects with `reason`. */
  destroy(reason: Error): void
}

/** What all connections of a client share. */
export interface TransportOptions {
  readonly clientId: string
  readonly ssl: boolean | ConnectionOptions
  readonly sasl: KafkaSasl | null
  readonly connectTimeoutMs: number
  readonly openSocket: OpenSocket
}

/** Opens connections. */
export interface Transport {
  /** A new connection, ready to be used. Rejects with KafkaJS's errors; after `signal` it may never settle. */
  open(host: string, port: number, signal: AbortSignal): Promise<RawConnection>
}

interface PrivateConnection {
  readonly socket?: Socket
  readonly requestQueue: PrivateRequestQueue
  isConnected(): boolean
  isAuthenticated(): boolean
  send(request: PrivateRequest): Promise<unknown>
}

interface PrivateRequest {
  readonly request: object
  readonly response: { decode(answer: Buffer): unknown; parse(decoded: unknown): unknown }
  readonly logResponseError: boolean
}

interface PrivateRequestQueue {
  readonly pending: readonly unknown[]
  scheduleCheckPendingRequests(): void
  rejectAll(error: Error): void
  destroy(): void
}

interface PrivateConnectionPool {
  readonly pool: readonly PrivateConnection[]
}

interface PrivateBroker {
  readonly versions: Readonly<Record<number, VersionRange>> | null
  connect(): Promise<void>
}

interface PrivateCluster {
  readonly rootLogger: unknown
  readonly connectionPoolBuilder: {
    build(target: { readonly host: string; readonly port: number }): Promise<PrivateConnectionPool>
  }
  readonly brokerPool: {
    createBroker(options: {
      readonly connectionPool: PrivateConnectionPool
      readonly logger: unknown
    }): PrivateBroker
  }
}

type CreateCluster = (options: { readonly allowAutoTopicCreation: boolean }) => PrivateCluster

/** A TCP or TLS connection without Nagle's delay, kept alive. */
export const openSystemSocket: OpenSocket = ({ host, port, ssl, onConnect }) => {
  const serverName = isIP(host) === 0 ? { servername: host } : {}
  const socket =
    ssl === null
      ? connectTcp({ host, port, noDelay: true }, onConnect)
      : connectTls({ host, port, ...serverName, ...ssl }, onConnect)
  socket.setNoDelay(true)
  socket.setKeepAlive(true, KEEP_ALIVE_DELAY_MS)
  return socket
}

/** A transport over KafkaJS. Nothing is connected yet. */
export function createTransport(options: TransportOptions): Transport {
  const cluster = privateCluster(options)
  return {
    async open(host, port, signal) {
      const connectionPool = await cluster.connectionPoolBuilder.build({ host, port })
      const connection = connectionPool.pool[0]
      assert(connection !== undefined, 'a KafkaJS connection pool has a connection')
      const queue = connection.requestQueue
      queue.scheduleCheckPendingRequests = quietly(queue)
      const broker = cluster.brokerPool.createBroker({ connectionPool, logger: cluster.rootLogger })
      const giveUp = (): void => drop(connection, new Error('given up'))
      signal.addEventListener('abort', giveUp)
      try {
        await broker.connect()
      } catch (error) {
        giveUp()
        throw error
      } finally {
        signal.removeEventListener('abort', giveUp)
      }
      return new KafkaJsConnection(connection, broker.versions ?? {}, options.sasl !== null)
    },
  }
}

class KafkaJsConnection implements RawConnection {
  readonly versions: Readonly<Record<number, VersionRange>>
  private readonly connection: PrivateConnection
  private readonly authenticates: boolean
  /** Why it cannot be used any more. */
  private destroyed: Error | null = null
  private readonly unanswered = new Set<(reason: Error) => void>()

  constructor(
    connection: PrivateConnection,
    versions: Readonly<Record<number, VersionRange>>,
    authenticates: boolean,
  ) {
    this.connection = connection
    this.versions = versions
    this.authenticates = authenticates
    // KafkaJS listens to `end` and `error`; a socket that is reset may tell neither.
    connection.socket?.once('close', () => this.destroy(new Error('Closed connection')))
  }

  get usable(): boolean {
    const { connection, authenticates, destroyed } = this
    return destroyed === null && connection.isConnected() && (!authenticates || connection.isAuthenticated())
  }

  async send<T extends { readonly throttleMs: number }>(
    { apiKey, apiVersion, apiName, body }: RawRequest,
    decode: (answer: Buffer) => T,
  ): Promise<T> {
    if (this.destroyed !== null) throw this.destroyed
    const decoded: T[] = []
    await this.unlessDestroyed({
      // KafkaJS looks for a Buffer named `buf` and sends the one named `buffer`.
      request: { apiKey, apiVersion, apiName, encode: () => ({ buf: body, buffer: body }) },
      response: {
        decode(answer) {
          const told = decode(answer)
          decoded.push(told)
          return { clientSideThrottleTime: told.throttleMs }
        },
        parse: (answer) => answer,
      },
      logResponseError: false,
    })
    const [told] = decoded
    assert(told !== undefined, 'an answer is decoded before it is delivered')
    return told
  }

  destroy(reason: Error): void {
    if (this.destroyed !== null) return
    this.destroyed = reason
    drop(this.connection, reason)
    for (const reject of this.unanswered) reject(reason)
  }

  /** KafkaJS never answers a request that it has taken, and not yet queued, when the connection is dropped. */
  private unlessDestroyed(request: PrivateRequest): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.unanswered.add(reject)
      const answered = (): boolean => this.unanswered.delete(reject)
      this.connection.send(request).then(resolve, reject).finally(answered)
    })
  }
}

function drop(connection: PrivateConnection, reason: Error): void {
  connection.requestQueue.rejectAll(reason)
  connection.requestQueue.destroy()
  const { socket } = connection
  if (socket === undefined) return
  // While it connects a timer of KafkaJS's keeps the process alive, unless it is told of an error.
  if (!connection.isConnected()) socket.emit('error', reason)
  // What a dead socket still tells is of no interest, but an `error` without a listener would end the process.
  socket.removeAllListeners()
  socket.on('error', () => undefined)
  socket.destroy()
}

/**
 * As shipped, a queue looks after its pending requests every millisecond for ever, also when it has none. Here it
 * does so only while it has some.
 */
function quietly(queue: PrivateRequestQueue): () => void {
  const original = queue.scheduleCheckPendingRequests.bind(queue)
  return () => {
    if (queue.pending.length > 0) original()
  }
}

function privateCluster({
  clientId,
  ssl,
  sasl,
  connectTimeoutMs,
  openSocket,
}: TransportOptions): PrivateCluster {
  const tls: ConnectionOptions | null = ssl === true ? {} : ssl === false ? null : ssl
  const kafka = new kafkajs.Kafka({
    clientId,
    // Never asked: every connection names its broker.
    brokers: ['localhost:9092'],
    ...(tls === null ? {} : { ssl: tls }),
    ...(sasl === null ? {} : { sasl: saslOptions(sasl) }),
    connectionTimeout: connectTimeoutMs,
    authenticationTimeout: connectTimeoutMs,
    // Time-outs are kept by clock.ts, and no connection is used on after one.
    enforceRequestTimeout: false,
    logLevel: kafkajs.logLevel.NOTHING,
    logCreator: () => () => undefined,
    socketFactory: ({ host, port, onConnect }) => openSocket({ host, port, ssl: tls, onConnect }),
  })
  const symbol = Object.getOwnPropertySymbols(kafka).find(
    ({ description }) => description === 'private:Kafka:createCluster',
  )
  assert(symbol !== undefined, 'KafkaJS 2.2.4 makes clusters')
  const createCluster = (kafka as unknown as Record<symbol, CreateCluster>)[symbol]
  assert(createCluster !== undefined, 'KafkaJS 2.2.4 makes clusters')
  return createCluster({ allowAutoTopicCreation: false })
}

function saslOptions(sasl: KafkaSasl): SASLOptions {
  if (sasl.mechanism !== 'oauthbearer') {
    const { mechanism, username, password } = sasl
    return { mechanism, username, password }
  }
  const { token } = sasl
  return {
    mechanism: 'oauthbearer',
    oauthBearerProvider: async () => {
      try {
        return { value: await token() }
      } catch (error) {
        throw new Error(`${NO_TOKEN}: ${messageOf(error)}`, { cause: error })
      }
    },
  }
}
