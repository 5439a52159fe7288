/**
 * What travels with a record through a repartition topic, in one header, so that the receiver judges and orders it by
 * its own source and never by when a commit happened.
 *
 * Layout, big-endian: kind (1 byte) | origin number (4) | watermark (8, float64) | merge time (8, float64) |
 * position (8, float64; a safe integer) | run (4). The origin number is the index of the channel among all channels
 * into that repartition, which both sides enumerate from metadata.
 *
 * Markers are records without key and value, behind the records of the same transaction, in every partition. They
 * carry the watermark after those records. They close windows and move positions, and nothing else.
 */
import { assert } from '../assert.ts'

export type CarriedKind =
  | 'record'
  /** The watermark of an origin has moved. */
  | 'watermark'
  /** An origin is silent; the receiver decides, and records, what follows. */
  | 'idle'
  /** An origin has reached its end in bounded run `run`, which ends with flush. */
  | 'end-with-flush'
  /** An origin has reached its end in bounded run `run`, which leaves everything open. */
  | 'end'

export interface Carried {
  readonly kind: CarriedKind
  readonly origin: number
  /** Of a record: its origin's watermark before it. Of a marker: after everything so far. */
  readonly watermarkMs: number
  /** Of a record: its merge time. Of a marker: equal to the watermark. */
  readonly mergeTimeMs: number
  /** Of a record: its own position in its origin. Of a marker: the origin's next position. */
  readonly position: number
  /** Of an end marker: the number of the bounded run; else 0. */
  readonly run: number
}

const KINDS: readonly CarriedKind[] = ['record', 'watermark', 'idle', 'end-with-flush', 'end']
const CARRIED_BYTES = 33

/** The header's value. */
export function encodeCarried(carried: Carried): Buffer {
  const bytes = Buffer.allocUnsafe(CARRIED_BYTES)
  bytes[0] = KINDS.indexOf(carried.kind)
  bytes.writeUInt32BE(carried.origin, 1)
  bytes.writeDoubleBE(carried.watermarkMs, 5)
  bytes.writeDoubleBE(carried.mergeTimeMs, 13)
  bytes.writeDoubleBE(carried.position, 21)
  bytes.writeUInt32BE(carried.run, 29)
  return bytes
}

/** Reads what `encodeCarried` wrote. */
export function decodeCarried(bytes: Buffer): Carried {
  assert(bytes.length === CARRIED_BYTES, 'a carried header has its size')
  return {
    kind: KINDS[bytes[0]!]!,
    origin: bytes.readUInt32BE(1),
    watermarkMs: bytes.readDoubleBE(5),
    mergeTimeMs: bytes.readDoubleBE(13),
    position: bytes.readDoubleBE(21),
    run: bytes.readUInt32BE(29),
  }
}
