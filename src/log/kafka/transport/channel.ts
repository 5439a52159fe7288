/** Requests to one broker, over one connection at a time. */
import { assert } from '../../../assert.ts'
import type { Clock } from '../../../clock.ts'
import { FatalError, messageOf, RetriableError } from '../../../errors.ts'
import type { Answer, ApiCall } from '../wire/api-call.ts'
import { ByteReader } from '../wire/byte-reader.ts'
import { ByteWriter } from '../wire/byte-writer.ts'
import { connectionError } from './connection-error.ts'
import type { RawConnection, Transport } from './kafkajs.ts'

/** A broker's `host` and `port`. */
export interface Address {
  readonly host: string
  readonly port: number
}

/** `host:port`. */
export function addressText({ host, port }: Address): string {
  return `${host}:${port}`
}

/** What all channels of a client share. */
export interface ChannelParts {
  readonly transport: Transport
  readonly clock: Clock
  readonly requestTimeoutMs: number
  readonly connectTimeoutMs: number
}

/**
 * A broker answers the requests of a connection one after the other, so whoever asks something that may take long (a
 * long poll, a JoinGroup) has a channel of its own. A connection is opened with the first request, once however many
 * wait for it, and again with the first request after it was lost.
 */
export class Channel {
  readonly address: Address
  private readonly parts: ChannelParts
  private connection: RawConnection | null = null
  private opening: Promise<RawConnection> | null = null
  private readonly closing = new AbortController()
  private readonly inFlight = new Map<RawConnection, number>()

  constructor(parts: ChannelParts, address: Address) {
    this.parts = parts
    this.address = address
  }

  /**
   * The answer to a request. `RetriableError` `LOG_UNREACHABLE` when the connection cannot be had, is lost, or brings
   * no answer in time (then the request may have been worked all the same); `FatalError` `AUTHENTICATION_FAILED`,
   * `TLS_FAILED`, `LOG_VERSION_UNSUPPORTED`, `LOG_PROTOCOL`, and `LOG_CLOSED` once the channel is closed.
   */
  async call<Request, Response extends Answer>(
    api: ApiCall<Request, Response>,
    request: Request,
    timeoutMs = this.parts.requestTimeoutMs,
  ): Promise<Response> {
    const connection = await this.connected()
    checkVersion(api, connection, this.address)
    const writer = new ByteWriter().tags()
    api.encode(writer, request)
    const raw = { apiKey: api.key, apiVersion: api.version, apiName: api.name, body: writer.written() }
    const timer = this.parts.clock.schedule(timeoutMs, () => {
      const text = `Broker ${addressText(this.address)} did not answer ${api.name} within ${timeoutMs} ms.`
      connection.destroy(new RetriableError('LOG_UNREACHABLE', text))
    })
    this.count(connection, 1)
    try {
      return await connection.send(raw, (answer) => decode(api, answer))
    } catch (error) {
      const reason = connectionError(error, addressText(this.address))
      connection.destroy(reason)
      throw reason
    } finally {
      timer.cancel()
      this.count(connection, -1)
    }
  }

  /** The highest version that the broker speaks of an API; -1 where it does not know it. */
  async maxVersion(apiKey: number): Promise<number> {
    return (await this.connected()).versions[apiKey]?.maxVersion ?? -1
  }

  /** Drops the connection; what is in flight, and every later call, fails with `LOG_CLOSED`. Idempotent. */
  close(): void {
    this.closing.abort()
    for (const connection of [...this.inFlight.keys(), this.connection]) connection?.destroy(closed())
    this.connection = null
  }

  private async connected(): Promise<RawConnection> {
    if (this.closing.signal.aborted) throw closed()
    if (this.connection?.usable) return this.connection
    this.opening ??= this.open()
    return this.opening
  }

  private async open(): Promise<RawConnection> {
    const old = this.connection
    this.connection = null
    // One that has to prove itself again still brings the answers that are on their way.
    if (old !== null && !this.inFlight.has(old)) old.destroy(closed())
    try {
      const connection = await this.openInTime()
      if (this.closing.signal.aborted) {
        connection.destroy(closed())
        throw closed()
      }
      this.connection = connection
      return connection
    } catch (error) {
      throw connectionError(error, addressText(this.address))
    } finally {
      this.opening = null
    }
  }

  private openInTime(): Promise<RawConnection> {
    const { clock, transport, connectTimeoutMs } = this.parts
    const { host, port } = this.address
    const giveUp = new AbortController()
    const closing = this.closing.signal
    return new Promise((resolve, reject) => {
      const settle = (finish: () => void): void => {
        timer.cancel()
        closing.removeEventListener('abort', onClose)
        finish()
      }
      const stop = (reason: Error): void => settle(() => (giveUp.abort(), reject(reason)))
      const onClose = (): void => stop(closed())
      const timer = clock.schedule(connectTimeoutMs, () => {
        const text = `Broker ${addressText(this.address)} took longer than ${connectTimeoutMs} ms to connect.`
        stop(new RetriableError('LOG_UNREACHABLE', text))
      })
      closing.addEventListener('abort', onClose)
      transport.open(host, port, giveUp.signal).then(
        (connection) =>
          giveUp.signal.aborted ? connection.destroy(closed()) : settle(() => resolve(connection)),
        (error: unknown) => settle(() => reject(error instanceof Error ? error : new Error(String(error)))),
      )
    })
  }

  private count(connection: RawConnection, change: 1 | -1): void {
    const count = (this.inFlight.get(connection) ?? 0) + change
    assert(count >= 0, 'a request ends once')
    if (count > 0) this.inFlight.set(connection, count)
    else this.inFlight.delete(connection)
    if (count === 0 && connection !== this.connection) connection.destroy(closed())
  }
}

function closed(): FatalError {
  return new FatalError('LOG_CLOSED', 'The log is closed.')
}

function checkVersion(
  { key, name, version }: ApiCall<never, Answer>,
  { versions }: RawConnection,
  address: Address,
): void {
  const range = versions[key]
  if (range !== undefined && range.minVersion <= version && version <= range.maxVersion) return
  const spoken = range === undefined ? 'not at all' : `${range.minVersion} to ${range.maxVersion}`
  throw new FatalError(
    'LOG_VERSION_UNSUPPORTED',
    `Broker ${addressText(address)} does not speak ${name} version ${version} (but ${spoken}). Kafka 3.5 to 4.x do.`,
  )
}

function decode<Response extends Answer>(api: ApiCall<never, Response>, bytes: Buffer): Response {
  try {
    const reader = new ByteReader(bytes)
    if (api.plainAnswerHeader !== true) reader.tags()
    return api.decode(reader)
  } catch (error) {
    const text = `The answer to ${api.name} version ${api.version} cannot be read: ${messageOf(error)}`
    throw new FatalError('LOG_PROTOCOL', text, { cause: error })
  }
}
