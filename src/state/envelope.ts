/**
 * How an entry is kept by a backend: `crc32 (4) | timestamp (8, float64) | value`, big-endian. The checksum covers the
 * key too, so that a damaged block is found whether it hit a key, a time or a value.
 */
import { crc32 } from 'node:zlib'
import { CorruptedStateError } from '../errors.ts'

const HEADER_BYTES = 12

/** Wraps an encoded value. */
export function seal(key: Buffer, timestampMs: number, value: Buffer | string): Buffer {
  const length = typeof value === 'string' ? Buffer.byteLength(value) : value.length
  const sealed = Buffer.allocUnsafe(HEADER_BYTES + length)
  sealed.writeDoubleBE(timestampMs, 4)
  if (typeof value === 'string') sealed.write(value, HEADER_BYTES)
  else value.copy(sealed, HEADER_BYTES)
  sealed.writeUInt32BE(checksum(key, sealed), 0)
  return sealed
}

/** A stored entry that proved whole; the value is `buffer` from `start` to its end. */
export interface Unsealed {
  readonly timestampMs: number
  readonly buffer: Buffer
  readonly start: number
}

/** Unwraps; `CorruptedStateError` `STATE_DAMAGED` when the checksum does not hold. */
export function unseal(key: Buffer, sealed: Buffer): Unsealed {
  if (sealed.length < HEADER_BYTES || checksum(key, sealed) !== sealed.readUInt32BE(0)) {
    throw new CorruptedStateError(
      'STATE_DAMAGED',
      `a stored entry does not fit its checksum (key ${key.toString('hex')})`,
    )
  }
  return { timestampMs: sealed.readDoubleBE(4), buffer: sealed, start: HEADER_BYTES }
}

function checksum(key: Buffer, sealed: Buffer): number {
  return crc32(sealed.subarray(4), crc32(key))
}
