/**
 * Messages on a local socket: a length (32 bits, big endian), then the value as `v8.serialize` writes it, which keeps
 * Buffers, bigints and Maps. Both ends are millrace on the same machine.
 */
import { deserialize, serialize } from 'node:v8'
import {
  AbortableError,
  codeOf,
  FatalError,
  FencedError,
  messageOf,
  RetriableError,
  UnknownOutcomeError,
} from '../../errors.ts'
import type { BrokerMethod } from './broker-connection.ts'

/** Raised whenever frames or `BrokerConnection` change their meaning. */
export const PROTOCOL_VERSION = 1

/** Far above any answer; a larger length is not ours. */
const FRAME_BYTES_MAX = 1_073_741_824

/** What a server says first. */
export interface Hello {
  readonly protocol: number
  readonly pid: number
}

/** A call on its way to the broker. */
export interface CallFrame {
  readonly id: number
  readonly method: BrokerMethod
  readonly args: readonly unknown[]
}

/** What it came to. */
export interface AnswerFrame {
  readonly id: number
  readonly value?: unknown
  readonly error?: ErrorFrame
}

/** An error as it crosses a socket. */
export interface ErrorFrame {
  readonly name: string
  readonly code: string
  readonly message: string
}

/** The bytes of a message. */
export function encodeFrame(message: Hello | CallFrame | AnswerFrame): Buffer {
  const body = serialize(message)
  const frame = Buffer.allocUnsafe(4 + body.length)
  frame.writeUInt32BE(body.length, 0)
  body.copy(frame, 4)
  return frame
}

/** Puts frames together again from the pieces a socket brings. */
export class FrameReader {
  private pieces: Buffer[] = []
  private bytes = 0

  /** The messages that are whole now. Throws `FatalError` `LOG_PROTOCOL` on bytes that are no frame. */
  push(piece: Buffer): unknown[] {
    this.pieces.push(piece)
    this.bytes += piece.length
    const messages: unknown[] = []
    for (let frame = this.takeFrame(); frame !== null; frame = this.takeFrame()) {
      try {
        messages.push(deserialize(frame))
      } catch (error) {
        throw new FatalError('LOG_PROTOCOL', 'What came through the socket is no message.', { cause: error })
      }
    }
    return messages
  }

  private takeFrame(): Buffer | null {
    if (this.bytes < 4) return null
    if (this.pieces[0]!.length < 4) this.join()
    const length = this.pieces[0]!.readUInt32BE(0)
    if (length > FRAME_BYTES_MAX)
      throw new FatalError('LOG_PROTOCOL', `A frame of ${length} bytes is not ours.`)
    if (this.bytes < 4 + length) return null
    this.join()
    const whole = this.pieces[0]!
    const rest = whole.subarray(4 + length)
    this.pieces = rest.length > 0 ? [rest] : []
    this.bytes = rest.length
    return whole.subarray(4, 4 + length)
  }

  private join(): void {
    if (this.pieces.length > 1) this.pieces = [Buffer.concat(this.pieces)]
  }
}

/** What can be told of an error: one without a code has `LOG_FAILED`. */
export function encodeError(error: unknown): ErrorFrame {
  const name = error instanceof Error ? error.name : 'Error'
  return { name, code: codeOf(error, 'LOG_FAILED'), message: messageOf(error) }
}

/** The error of the same class, code and message; one of no known class is fatal. */
export function decodeError({ name, code, message }: ErrorFrame): Error {
  const known = [RetriableError, FencedError, AbortableError, UnknownOutcomeError].find(
    (type) => type.name === name,
  )
  return new (known ?? FatalError)(code, message)
}
