/** What the tests of serdes share. */
import type { Serde } from '../../src/serde/serde.ts'

/** The bytes a serde writes, whichever form it chose. */
export function bytesOf<T>(serde: Serde<T>, value: T): Buffer {
  const written = serde.serialize(value)
  return typeof written === 'string' ? Buffer.from(written, 'utf8') : written
}

/** Reads `bytes` from the middle of a larger buffer, as a record batch hands them out. */
export function readFrom<T>(serde: Serde<T>, bytes: Uint8Array): T {
  const surrounded = Buffer.concat([Buffer.from([0xff, 0x22, 0xc3]), bytes, Buffer.from([0xa9, 0x7d, 0xff])])
  return serde.deserialize(surrounded, 3, 3 + bytes.length)
}

/** Writes and reads again. */
export function roundTrip<T>(serde: Serde<T>, value: T): T {
  return readFrom(serde, bytesOf(serde, value))
}
