/** Numbers of fixed size, big-endian, byte for byte as Kafka's serializers write them. */
import { RecordError } from '../errors.ts'
import type { Serde } from './serde.ts'
import { RECORD_UNREADABLE, RECORD_UNWRITABLE } from './utf8.ts'

const INT64_MIN = -(2n ** 63n)
const INT64_MAX = 2n ** 63n - 1n

/**
 * IEEE 754 doubles in 8 bytes, as Kafka's `DoubleSerializer`. Infinities and -0 keep their bits; every NaN
 * becomes the one canonical NaN (`7ff8000000000000`).
 */
export const doubleSerde: Serde<number> = {
  name: 'double',
  serialize(value) {
    if (typeof value !== 'number') throw unwritable('double', 'a number', value)
    const bytes = Buffer.allocUnsafe(8)
    if (Number.isNaN(value)) {
      bytes.fill(0)
      bytes.writeUInt16BE(0x7ff8, 0)
    } else {
      bytes.writeDoubleBE(value, 0)
    }
    return bytes
  },
  deserialize(buffer, start, end) {
    requireSize('double', 8, end - start)
    return buffer.readDoubleBE(start)
  },
  sizeBound: (value) => (typeof value === 'number' ? 8 : Infinity),
}

/** Signed 64-bit integers as `bigint` in 8 bytes, as Kafka's `LongSerializer`. */
export const int64Serde: Serde<bigint> = {
  name: 'int64',
  serialize(value) {
    if (!isInt64(value)) {
      throw unwritable('int64', 'a bigint between -2^63 and 2^63 - 1', value)
    }
    const bytes = Buffer.allocUnsafe(8)
    bytes.writeBigInt64BE(value, 0)
    return bytes
  },
  deserialize(buffer, start, end) {
    requireSize('int64', 8, end - start)
    return buffer.readBigInt64BE(start)
  },
  sizeBound: (value) => (isInt64(value) ? 8 : Infinity),
}

/** Signed 32-bit integers in 4 bytes, as Kafka's `IntegerSerializer`. */
export const int32Serde: Serde<number> = {
  name: 'int32',
  serialize(value) {
    if (!isInt32(value)) throw unwritable('int32', 'an integer between -2^31 and 2^31 - 1', value)
    const bytes = Buffer.allocUnsafe(4)
    bytes.writeInt32BE(value, 0)
    return bytes
  },
  deserialize(buffer, start, end) {
    requireSize('int32', 4, end - start)
    return buffer.readInt32BE(start)
  },
  sizeBound: (value) => (isInt32(value) ? 4 : Infinity),
}

function isInt64(value: unknown): boolean {
  return typeof value === 'bigint' && value >= INT64_MIN && value <= INT64_MAX
}

function isInt32(value: unknown): boolean {
  return typeof value === 'number' && (value | 0) === value
}

function requireSize(name: string, expected: number, actual: number): void {
  if (actual !== expected) {
    throw new RecordError(RECORD_UNREADABLE, `${name}: expected ${expected} bytes, got ${actual}`)
  }
}

function unwritable(name: string, expected: string, value: unknown): RecordError {
  const got =
    typeof value === 'number' || typeof value === 'bigint' ? `${typeof value} ${value}` : typeof value
  return new RecordError(RECORD_UNWRITABLE, `${name}: expected ${expected}, got ${got}`)
}
