/** Encodes records into one Kafka record batch. */
import { assert } from '../assert.ts'
import {
  ATTRIBUTES_AT,
  BASE_OFFSET_AT,
  BASE_SEQUENCE_AT,
  BASE_TIMESTAMP_AT,
  BATCH_HEADER_BYTES,
  BATCH_OVERHEAD_BYTES,
  CRC_AT,
  LAST_OFFSET_DELTA_AT,
  LEADER_EPOCH_AT,
  LENGTH_AT,
  MAGIC,
  MAGIC_AT,
  MAX_TIMESTAMP_AT,
  PRODUCER_EPOCH_AT,
  PRODUCER_ID_AT,
  RECORD_COUNT_AT,
  TRANSACTIONAL,
  writeInt64,
} from './batch-format.ts'
import { crc32c } from '../crc32c.ts'

/** A named value beside key and value; names may repeat, order is kept. */
export interface RecordHeader {
  readonly key: string
  readonly value: Buffer | null
}

/** Where a builder stood; written by `mark`, read by `rollback`, to be used again and again. */
export interface BatchMark {
  byteLength: number
  count: number
  baseTimestampMs: number
  maxTimestampMs: number
}

/** Whose batch it becomes. */
export interface BatchOwner {
  /** -1n for none. */
  readonly producerId: bigint
  readonly epoch: number
  /** Number of the first record in its producer's sequence of this partition; -1 without a producer. */
  readonly baseSequence: number
  readonly transactional: boolean
  /** Default 0: the log gives the offsets. */
  readonly baseOffset?: bigint
}

const NO_HEADERS: readonly RecordHeader[] = []
/** Up to this length a loop over the characters beats the call into the runtime. */
const SHORT_STRING = 40
/** Up to this length a loop over the bytes beats the call into the runtime. */
const SHORT_BYTES = 64
/** Length, attributes, timestamp delta, offset delta, key length, value length, header count at their largest. */
const RECORD_OVERHEAD_BOUND = 5 + 1 + 10 + 5 + 5 + 5 + 5

/**
 * Gathers records and writes them straight into one growing buffer, which is reused from batch to batch: no object
 * and no slice per record. `null` keys and values are Kafka's null; strings stand for their UTF-8 bytes.
 */
export class RecordBatchBuilder {
  /** Records in the batch. */
  count = 0
  /** Largest timestamp so far, -1 without records. */
  maxTimestampMs = -1

  private buffer: Buffer
  private at = BATCH_HEADER_BYTES
  private baseTimestampMs = -1

  /** `initialBytes`: how large the buffer is at first; it doubles as needed. */
  constructor(initialBytes = 16_384) {
    this.buffer = Buffer.allocUnsafeSlow(Math.max(initialBytes, BATCH_HEADER_BYTES))
  }

  /** An upper bound, in bytes, of what a record adds to a batch. Does not encode anything. */
  static recordSizeBound(
    key: Buffer | string | null,
    value: Buffer | string | null,
    headers: readonly RecordHeader[] = NO_HEADERS,
  ): number {
    let bound = RECORD_OVERHEAD_BOUND + bytesBound(key) + bytesBound(value)
    for (const header of headers) bound += 10 + bytesBound(header.key) + bytesBound(header.value)
    return bound
  }

  /** Size of the finished batch in bytes with the records so far. */
  get byteLength(): number {
    return this.at
  }

  /** Adds a record. `timestampMs` is an integer; timestamps need not be in order. */
  append(
    timestampMs: number,
    key: Buffer | string | null,
    value: Buffer | string | null,
    headers: readonly RecordHeader[] = NO_HEADERS,
  ): void {
    assert(Number.isSafeInteger(timestampMs), 'a timestamp is an integer')
    const bound = RecordBatchBuilder.recordSizeBound(key, value, headers)
    if (this.at + bound > this.buffer.length) this.grow(this.at + bound)
    if (this.count === 0) this.baseTimestampMs = timestampMs
    // The length stands in front of what it counts. Its own size is guessed as if all text were ASCII; only where
    // the guess fails are the bytes moved.
    const start = this.at
    const guess = varintBytes(4 + lengthOf(key) + 2 + lengthOf(value) + 1)
    this.at = start + guess
    this.buffer[this.at++] = 0
    this.writeVarlong(timestampMs - this.baseTimestampMs)
    this.writeVarint(this.count)
    this.writeBytes(key)
    this.writeBytes(value)
    if (headers.length === 0) this.buffer[this.at++] = 0
    else this.writeHeaders(headers)
    this.writeLength(start, guess)
    this.count += 1
    if (timestampMs > this.maxTimestampMs || this.count === 1) this.maxTimestampMs = timestampMs
  }

  /** Notes where the batch stands. */
  mark(into: BatchMark): void {
    into.byteLength = this.at
    into.count = this.count
    into.baseTimestampMs = this.baseTimestampMs
    into.maxTimestampMs = this.maxTimestampMs
  }

  /** Takes back what was appended since `to` was marked, which must be of this batch. */
  rollback(to: Readonly<BatchMark>): void {
    assert(
      to.count <= this.count && to.byteLength <= this.at,
      'a mark lies at or before the end of the batch',
    )
    this.at = to.byteLength
    this.count = to.count
    this.baseTimestampMs = to.baseTimestampMs
    this.maxTimestampMs = to.maxTimestampMs
  }

  /** Begins an empty batch; the buffer stays. */
  reset(): void {
    this.at = BATCH_HEADER_BYTES
    this.count = 0
    this.baseTimestampMs = -1
    this.maxTimestampMs = -1
  }

  /**
   * The finished batch: a view of the builder's own buffer, valid until the next `append`, `rollback` or `reset`.
   * May be called again, for another owner too.
   */
  build(owner: BatchOwner): Buffer {
    assert(this.count > 0, 'a batch has at least one record')
    const buffer = this.buffer
    buffer.writeBigInt64BE(owner.baseOffset ?? 0n, BASE_OFFSET_AT)
    buffer.writeInt32BE(this.at - BATCH_OVERHEAD_BYTES, LENGTH_AT)
    buffer.writeInt32BE(-1, LEADER_EPOCH_AT)
    buffer[MAGIC_AT] = MAGIC
    buffer.writeInt16BE(owner.transactional ? TRANSACTIONAL : 0, ATTRIBUTES_AT)
    buffer.writeInt32BE(this.count - 1, LAST_OFFSET_DELTA_AT)
    writeInt64(buffer, this.baseTimestampMs, BASE_TIMESTAMP_AT)
    writeInt64(buffer, this.maxTimestampMs, MAX_TIMESTAMP_AT)
    buffer.writeBigInt64BE(owner.producerId, PRODUCER_ID_AT)
    buffer.writeInt16BE(owner.epoch, PRODUCER_EPOCH_AT)
    buffer.writeInt32BE(owner.baseSequence, BASE_SEQUENCE_AT)
    buffer.writeInt32BE(this.count, RECORD_COUNT_AT)
    buffer.writeUInt32BE(crc32c(buffer, ATTRIBUTES_AT, this.at), CRC_AT)
    return buffer.subarray(0, this.at)
  }

  private grow(needed: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(this.buffer.length * 2, needed))
    this.buffer.copy(larger, 0, 0, this.at)
    this.buffer = larger
  }

  private writeVarint(value: number): void {
    const buffer = this.buffer
    let rest = (value << 1) ^ (value >> 31)
    while ((rest & ~0x7f) !== 0) {
      buffer[this.at++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    buffer[this.at++] = rest
  }

  /** Any safe integer, as its 64-bit zigzag form. */
  private writeVarlong(value: number): void {
    if (value >= -1_073_741_824 && value < 1_073_741_824) return this.writeVarint(value)
    let rest = value >= 0 ? BigInt(value) * 2n : BigInt(value) * -2n - 1n
    while (rest > 0x7fn) {
      this.buffer[this.at++] = Number(rest & 0x7fn) | 0x80
      rest >>= 7n
    }
    this.buffer[this.at++] = Number(rest)
  }

  private writeBytes(bytes: Buffer | string | null): void {
    if (bytes === null) this.buffer[this.at++] = 1
    else if (typeof bytes === 'string') this.writeString(bytes)
    else {
      const length = bytes.length
      this.writeVarint(length)
      const to = this.at
      if (length <= SHORT_BYTES) for (let i = 0; i < length; i += 1) this.buffer[to + i] = bytes[i]!
      else this.buffer.set(bytes, to)
      this.at = to + length
    }
  }

  private writeString(text: string): void {
    const length = text.length
    const start = this.at
    const guess = varintBytes(length)
    let size = 0
    if (length <= SHORT_STRING) {
      const buffer = this.buffer
      for (; size < length; size += 1) {
        const code = text.charCodeAt(size)
        if (code > 127) break
        buffer[start + guess + size] = code
      }
    }
    if (size < length) size = this.buffer.write(text, start + guess, 'utf8')
    this.at = start + guess + size
    this.writeLength(start, guess)
  }

  private writeHeaders(headers: readonly RecordHeader[]): void {
    this.writeVarint(headers.length)
    for (const header of headers) {
      this.writeString(header.key)
      this.writeBytes(header.value)
    }
  }

  /** Writes the size of what stands from `start + reserved` up to here in front of it, moving it where needed. */
  private writeLength(start: number, reserved: number): void {
    const size = this.at - start - reserved
    const needed = varintBytes(size)
    if (needed !== reserved) this.buffer.copyWithin(start + needed, start + reserved, this.at)
    this.at = start
    this.writeVarint(size)
    this.at = start + needed + size
  }
}

function bytesBound(bytes: Buffer | string | null): number {
  if (bytes === null) return 0
  return typeof bytes === 'string' ? bytes.length * 3 : bytes.length
}

function lengthOf(bytes: Buffer | string | null): number {
  return bytes === null ? 0 : bytes.length
}

/** Bytes of the zigzag varint of a length. */
function varintBytes(length: number): number {
  if (length < 0x40) return 1
  if (length < 0x2000) return 2
  if (length < 0x10_0000) return 3
  return length < 0x800_0000 ? 4 : 5
}
