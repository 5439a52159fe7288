/**
 * The byte layout of Kafka's record batch, format version 2 (KIP-98, KIP-82).
 *
 * ```
 *  at  size  field                at  size  field
 *   0   8    base offset          27   8    base timestamp (of the first record)
 *   8   4    bytes behind here    35   8    largest timestamp
 *  12   4    leader epoch         43   8    producer id, -1 for none
 *  16   1    magic, 2             51   2    producer epoch
 *  17   4    CRC-32C of 21..end   53   4    base sequence
 *  21   2    attributes           57   4    record count
 *  23   4    last offset delta    61   ..   records
 *
 *  record: length varint | attributes 1 | timestamp delta varlong | offset delta varint
 *        | key length varint, -1 for null | key | value length varint | value
 *        | header count varint | (key length varint | key | value length varint | value) each
 * ```
 *
 * Fixed fields are big endian; varints are zigzag, seven bits a byte, lowest first. The CRC covers neither base
 * offset nor leader epoch, so that a log can give offsets without reading the records.
 */
import { assert } from '../assert.ts'

/** Where the fields of a batch's header stand, from its first byte. */
export const BASE_OFFSET_AT = 0,
  LENGTH_AT = 8,
  LEADER_EPOCH_AT = 12,
  MAGIC_AT = 16,
  CRC_AT = 17,
  ATTRIBUTES_AT = 21,
  LAST_OFFSET_DELTA_AT = 23,
  BASE_TIMESTAMP_AT = 27,
  MAX_TIMESTAMP_AT = 35,
  PRODUCER_ID_AT = 43,
  PRODUCER_EPOCH_AT = 51,
  BASE_SEQUENCE_AT = 53,
  RECORD_COUNT_AT = 57

/** Bytes in front of the first record. */
export const BATCH_HEADER_BYTES = 61
/** What the length field does not count: base offset and the length itself. */
export const BATCH_OVERHEAD_BYTES = 12
/** The only format version known here. */
export const MAGIC = 2

/** Attribute bits: the codec, whose timestamps they are, whether of a transaction, whether a marker. */
export const COMPRESSION_MASK = 0x07,
  LOG_APPEND_TIME = 0x08,
  TRANSACTIONAL = 0x10,
  CONTROL = 0x20

/** The signed 64-bit number at `at`; a program error outside the safe integers. */
export function readInt64(buffer: Buffer, at: number): number {
  const value = buffer.readInt32BE(at) * 4_294_967_296 + buffer.readUInt32BE(at + 4)
  assert(Number.isSafeInteger(value), `a 64-bit field is a safe integer, ${value} at byte ${at}`)
  return value
}

/** Writes a safe integer as 64 bits. */
export function writeInt64(buffer: Buffer, value: number, at: number): void {
  assert(Number.isSafeInteger(value), `a 64-bit field is a safe integer, not ${value}`)
  const high = Math.floor(value / 4_294_967_296)
  buffer.writeInt32BE(high, at)
  buffer.writeUInt32BE(value - high * 4_294_967_296, at + 4)
}

/** The byte behind the batch that begins at `at`. */
export function batchEndAt(buffer: Buffer, at: number): number {
  return at + BATCH_OVERHEAD_BYTES + buffer.readInt32BE(at + LENGTH_AT)
}

/** The offset of the last record the batch at `at` was written with; compaction leaves it as it is. */
export function lastOffsetAt(buffer: Buffer, at: number): number {
  return readInt64(buffer, at + BASE_OFFSET_AT) + buffer.readInt32BE(at + LAST_OFFSET_DELTA_AT)
}
