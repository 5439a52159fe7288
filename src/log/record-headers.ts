/** Reads the headers of an encoded record: all of them, or one without making objects. */
import { RecordError } from '../errors.ts'
import type { RecordHeader } from './record-batch-builder.ts'

/** All headers of the record whose headers begin at `at`, in order; their values are views of `buffer`. */
export function decodeHeaders(buffer: Buffer, at: number): readonly RecordHeader[] {
  const reader = new VarintReader(buffer, at)
  const headers: RecordHeader[] = []
  for (let left = reader.read(); left > 0; left--) {
    const keyEnd = reader.read() + reader.at
    const key = buffer.toString('utf8', reader.at, keyEnd)
    reader.at = keyEnd
    const valueBytes = reader.read()
    const valueEnd = reader.at + Math.max(0, valueBytes)
    headers.push({ key, value: valueBytes < 0 ? null : buffer.subarray(reader.at, valueEnd) })
    reader.at = valueEnd
    if (!(reader.at <= buffer.length)) {
      throw new RecordError('RECORD_BATCH_CORRUPT', 'A record header ends behind the record batch.')
    }
  }
  return headers
}

/**
 * The decimal number that the first header named `key` (ASCII bytes) holds as text; NaN where there is none or it is
 * no number. Allocates nothing: it is asked for every record.
 */
export function findHeaderNumber(buffer: Buffer, at: number, key: Buffer): number {
  const bytes = seek(buffer, at, key)
  return bytes < 0 ? NaN : parseDigits(buffer, found, found + bytes)
}

/** The value of the first header named `key`, a view of `buffer`; `undefined` where there is none or it is null. */
export function findHeader(buffer: Buffer, at: number, key: Buffer): Buffer | undefined {
  const bytes = seek(buffer, at, key)
  return bytes < 0 ? undefined : buffer.subarray(found, found + bytes)
}

/** Where the value begins that `seek` found last: a second result that allocates nothing. */
let found = 0

/** The size of the value of the first header named `key`; -1 where there is none or it is null. */
function seek(buffer: Buffer, at: number, key: Buffer): number {
  let position = at
  const readVarint = (): number => {
    let byte = buffer[position++]!
    let value = byte & 0x7f
    for (let shift = 7; byte > 0x7f && shift < 35; shift += 7) {
      byte = buffer[position++]!
      value |= (byte & 0x7f) << shift
    }
    return (value >>> 1) ^ -(value & 1)
  }
  for (let left = readVarint(); left > 0; left--) {
    const keyBytes = readVarint()
    const matches = keyBytes === key.length && sameBytes(buffer, position, key)
    position += keyBytes
    const valueBytes = readVarint()
    if (matches) {
      found = position
      return position + valueBytes <= buffer.length ? valueBytes : -1
    }
    if (valueBytes > 0) position += valueBytes
    if (!(position <= buffer.length)) return -1
  }
  return -1
}

function sameBytes(buffer: Buffer, at: number, bytes: Buffer): boolean {
  for (let index = 0; index < bytes.length; index++) {
    if (buffer[at + index] !== bytes[index]) return false
  }
  return true
}

function parseDigits(buffer: Buffer, start: number, end: number): number {
  if (end <= start || end - start > 16) return NaN
  let value = 0
  for (let at = start; at < end; at++) {
    const digit = buffer[at]! - 0x30
    if (digit < 0 || digit > 9) return NaN
    value = value * 10 + digit
  }
  return value
}

class VarintReader {
  at: number
  private readonly buffer: Buffer

  constructor(buffer: Buffer, at: number) {
    this.buffer = buffer
    this.at = at
  }

  read(): number {
    let byte = this.buffer[this.at++]!
    let value = byte & 0x7f
    for (let shift = 7; byte > 0x7f && shift < 35; shift += 7) {
      byte = this.buffer[this.at++]!
      value |= (byte & 0x7f) << shift
    }
    return (value >>> 1) ^ -(value & 1)
  }
}
