/** A connection to a broker in another process. */
import { connect, type Socket } from 'node:net'
import type { Clock } from '../../clock.ts'
import { FatalError, RetriableError } from '../../errors.ts'
import { connectionThrough, type BrokerConnection, type BrokerMethod } from './broker-connection.ts'
import { newDeferred, type Deferred } from './deferred.ts'
import {
  decodeError,
  encodeFrame,
  FrameReader,
  PROTOCOL_VERSION,
  type AnswerFrame,
  type Hello,
} from './frames.ts'

/** How long a server may take to say hello; one that is stopped never does. */
const HELLO_TIMEOUT_MS = 5_000

/** A client's end of a socket. */
export interface SocketConnection {
  readonly broker: BrokerConnection
  /** Resolves when the connection has ended, from either side. Calls in flight have then failed as retriable. */
  readonly ended: Promise<void>
  close(): void
}

/**
 * Connects to a server at `address`. `RetriableError` `LOG_UNREACHABLE` when nobody answers there, `FatalError`
 * `LOG_PROTOCOL` when it speaks another version.
 */
export async function connectBroker(address: string, clock: Clock): Promise<SocketConnection> {
  const client = new SocketClient(connect(address))
  const timer = clock.schedule(HELLO_TIMEOUT_MS, () => client.close(), { background: true })
  try {
    const { protocol } = await client.hello
    if (protocol !== PROTOCOL_VERSION) {
      client.close()
      throw new FatalError(
        'LOG_PROTOCOL',
        `The log is served by another version of millrace (protocol ${protocol}, here ${PROTOCOL_VERSION}).`,
      )
    }
  } finally {
    timer.cancel()
  }
  return { broker: client.broker, ended: client.ended, close: () => client.close() }
}

class SocketClient {
  readonly broker: BrokerConnection
  readonly hello: Promise<Hello>
  readonly ended: Promise<void>

  private readonly socket: Socket
  private readonly frames = new FrameReader()
  private readonly greeting = newDeferred<Hello>()
  private readonly calls = new Map<number, Deferred<unknown>>()
  private greeted = false
  private nextId = 0

  constructor(socket: Socket) {
    this.socket = socket
    this.hello = this.greeting.promise
    this.broker = connectionThrough((method, args) => this.call(method, args))
    const ended = newDeferred<void>()
    this.ended = ended.promise
    socket.on('data', (piece: Buffer) => this.take(piece))
    // 'close' follows.
    socket.on('error', () => undefined)
    socket.on('close', () => {
      this.failAll()
      ended.resolve()
    })
  }

  close(): void {
    this.socket.destroy()
  }

  private call(method: BrokerMethod, args: readonly unknown[]): Promise<unknown> {
    if (this.socket.destroyed) return Promise.reject(unreachable())
    const id = this.nextId
    this.nextId += 1
    const answer = newDeferred<unknown>()
    this.calls.set(id, answer)
    // Only calls that wait for an answer keep the process alive.
    this.socket.ref()
    this.socket.write(encodeFrame({ id, method, args }))
    return answer.promise
  }

  private take(piece: Buffer): void {
    let messages: unknown[]
    try {
      messages = this.frames.push(piece)
    } catch {
      return this.close()
    }
    for (const message of messages) {
      if (this.greeted) {
        this.settle(message as AnswerFrame)
      } else {
        this.greeted = true
        this.greeting.resolve(message as Hello)
        if (this.calls.size === 0) this.socket.unref()
      }
    }
  }

  private settle({ id, value, error }: AnswerFrame): void {
    const answer = this.calls.get(id)
    this.calls.delete(id)
    if (this.calls.size === 0) this.socket.unref()
    if (error === undefined) answer?.resolve(value)
    else answer?.reject(decodeError(error))
  }

  private failAll(): void {
    this.greeting.reject(unreachable())
    for (const answer of this.calls.values()) answer.reject(unreachable())
    this.calls.clear()
  }
}

function unreachable(): RetriableError {
  return new RetriableError('LOG_UNREACHABLE', 'The process that owns the log cannot be reached.')
}
