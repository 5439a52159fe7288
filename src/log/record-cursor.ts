/** Walks over fetched record batches, committed records only, without an object per record. */
import { assert } from '../assert.ts'
import { RecordError } from '../errors.ts'
import {
  ATTRIBUTES_AT,
  BASE_OFFSET_AT,
  BASE_TIMESTAMP_AT,
  batchEndAt,
  BATCH_HEADER_BYTES,
  COMPRESSION_MASK,
  CONTROL,
  LAST_OFFSET_DELTA_AT,
  LOG_APPEND_TIME,
  MAGIC,
  MAGIC_AT,
  MAX_TIMESTAMP_AT,
  PRODUCER_ID_AT,
  readInt64,
  RECORD_COUNT_AT,
  TRANSACTIONAL,
} from './batch-format.ts'
import type { RecordHeader } from './record-batch-builder.ts'
import { decodeHeaders } from './record-headers.ts'

/** Where an aborted transaction of a producer begins, as a fetch answer tells it. */
export interface AbortedTransaction {
  readonly producerId: bigint
  readonly firstOffset: bigint
}

/** Record batches one behind the other, as a log keeps and sends them. */
export interface RecordBatches {
  readonly buffer: Buffer
  /** The batches are the bytes in `[start, end)`; the last one may be cut off. */
  readonly start: number
  readonly end: number
  /** Records below are not wanted: the first batch may begin before it. */
  readonly fromOffset: bigint
  /** Aborted transactions that reach into these batches, in any order; none where the log filters by itself. */
  readonly aborted?: readonly AbortedTransaction[]
}

/** Version and type of a control record that ends an aborted transaction. */
const ABORT_MARKER = 0

/**
 * `reset`, then `next` until it says false; in between the fields tell of the current record.
 *
 * Left out are control batches, records below `fromOffset`, and records of aborted transactions. A batch without
 * records and a cut-off last batch are passed over. Throws `RecordError` `RECORD_BATCH_UNSUPPORTED` on another format
 * version or a compressed batch, and `RECORD_BATCH_CORRUPT` where lengths contradict each other; checksums are
 * `verifyBatches`'s concern.
 */
export class RecordCursor {
  /** The bytes that the positions below point into. */
  buffer: Buffer = EMPTY
  /** Base offset of the record's batch, and the record's distance from it. */
  baseOffset = 0n
  offsetDelta = 0
  /** The record's offset as a number. */
  offsetNumber = 0
  timestampMs = 0
  /** Whether `timestampMs` is the log's time of arrival, the same for the whole batch, instead of the writer's. */
  logAppendTime = false
  /** Key and value are the bytes in `[keyStart, keyEnd)` and `[valueStart, valueEnd)`; an end of -1 is null. */
  keyStart = 0
  keyEnd = -1
  valueStart = 0
  valueEnd = -1
  hasHeaders = false
  /** Where the headers begin in `buffer`, for `decodeHeaders` and `findHeaderNumber`. */
  headersAt = 0
  /** The whole encoded record is the bytes in `[recordStart, recordEnd)`. */
  recordStart = 0
  recordEnd = 0

  private at = 0
  private end = 0
  private batchEnd = 0
  private recordsLeft = 0
  private fromOffset = 0
  private baseOffsetNumber = 0
  private baseTimestampMs = 0
  private positionNumber = 0
  private aborted: AbortedTransactions | null = null

  /** Goes to the start of `batches`. */
  reset(batches: RecordBatches): void {
    this.buffer = batches.buffer
    this.end = batches.end
    this.batchEnd = batches.start
    this.recordsLeft = 0
    this.fromOffset = Number(batches.fromOffset)
    assert(Number.isSafeInteger(this.fromOffset), 'offsets are safe integers')
    this.positionNumber = this.fromOffset
    this.aborted =
      batches.aborted === undefined || batches.aborted.length === 0
        ? null
        : new AbortedTransactions(batches.aborted)
  }

  /** The current record's offset. */
  get offset(): bigint {
    return BigInt(this.offsetNumber)
  }

  /** Where to read on: behind the last whole batch met so far, records or not; at least `fromOffset`. */
  get position(): bigint {
    return BigInt(this.positionNumber)
  }

  /** Goes to the next record; false when there is none. */
  next(): boolean {
    do {
      if (this.recordsLeft === 0 && !this.nextBatch()) return false
      this.recordsLeft -= 1
      this.readRecord()
    } while (this.offsetNumber < this.fromOffset)
    return true
  }

  /** The key as a view of the buffer. */
  key(): Buffer | null {
    return this.keyEnd < 0 ? null : this.buffer.subarray(this.keyStart, this.keyEnd)
  }

  /** The value as a view of the buffer. */
  value(): Buffer | null {
    return this.valueEnd < 0 ? null : this.buffer.subarray(this.valueStart, this.valueEnd)
  }

  /** The current record's headers in order, their values views of the buffer. To be called before the next `next`. */
  headers(): readonly RecordHeader[] {
    return this.hasHeaders ? decodeHeaders(this.buffer, this.headersAt) : []
  }

  private readRecord(): void {
    this.recordStart = this.at
    const length = this.readVarint()
    const recordEnd = this.at + length
    this.at += 1
    const timestampDelta = this.readVarlong()
    if (!this.logAppendTime) this.timestampMs = this.baseTimestampMs + timestampDelta
    this.offsetDelta = this.readVarint()
    this.offsetNumber = this.baseOffsetNumber + this.offsetDelta
    const keyBytes = this.readVarint()
    this.keyStart = this.at
    if (keyBytes < 0) this.keyEnd = -1
    else this.keyEnd = this.at += keyBytes
    const valueBytes = this.readVarint()
    this.valueStart = this.at
    if (valueBytes < 0) this.valueEnd = -1
    else this.valueEnd = this.at += valueBytes
    this.headersAt = this.at
    // Written so that the NaN of a read beyond the buffer fails as well.
    if (!(this.at < recordEnd && recordEnd <= this.batchEnd))
      throw this.corrupt('a record ends behind its batch')
    this.hasHeaders = this.buffer[this.at] !== 0
    this.recordEnd = recordEnd
    this.at = recordEnd
  }

  /** Goes to the next batch with records to deliver. */
  private nextBatch(): boolean {
    const buffer = this.buffer
    for (;;) {
      const at = this.batchEnd
      if (at + BATCH_HEADER_BYTES > this.end) return false
      if (buffer[at + MAGIC_AT] !== MAGIC) throw this.unsupported(`format version ${buffer[at + MAGIC_AT]}`)
      const batchEnd = batchEndAt(buffer, at)
      if (batchEnd > this.end) return false
      if (batchEnd < at + BATCH_HEADER_BYTES) throw this.corrupt('a batch is shorter than its header')
      this.batchEnd = batchEnd
      this.at = at + BATCH_HEADER_BYTES
      this.baseOffsetNumber = readInt64(buffer, at + BASE_OFFSET_AT)
      const lastOffset = this.baseOffsetNumber + buffer.readInt32BE(at + LAST_OFFSET_DELTA_AT)
      if (lastOffset >= this.positionNumber) this.positionNumber = lastOffset + 1
      const attributes = buffer.readInt16BE(at + ATTRIBUTES_AT)
      const count = buffer.readInt32BE(at + RECORD_COUNT_AT)
      // The list of aborted transactions is followed through all batches, also those that are passed over.
      if (this.aborted?.skips(buffer, at, lastOffset, attributes, count)) continue
      if ((attributes & CONTROL) !== 0 || count <= 0 || lastOffset < this.fromOffset) continue
      if ((attributes & COMPRESSION_MASK) !== 0) throw this.unsupported('compression')
      this.recordsLeft = count
      this.baseOffset = buffer.readBigInt64BE(at + BASE_OFFSET_AT)
      this.logAppendTime = (attributes & LOG_APPEND_TIME) !== 0
      this.baseTimestampMs = readInt64(buffer, at + BASE_TIMESTAMP_AT)
      if (this.logAppendTime) this.timestampMs = readInt64(buffer, at + MAX_TIMESTAMP_AT)
      return true
    }
  }

  private readVarint(): number {
    const buffer = this.buffer
    let byte = buffer[this.at++]!
    if (byte < 0x80) return (byte >>> 1) ^ -(byte & 1)
    let value = byte & 0x7f
    for (let shift = 7; byte > 0x7f && shift < 35; shift += 7) {
      byte = buffer[this.at++]!
      value |= (byte & 0x7f) << shift
    }
    return (value >>> 1) ^ -(value & 1)
  }

  private readVarlong(): number {
    const start = this.at
    const buffer = this.buffer
    let byte = buffer[this.at++]!
    let value = byte & 0x7f
    for (let shift = 7; byte > 0x7f && shift < 28; shift += 7) {
      byte = buffer[this.at++]!
      value |= (byte & 0x7f) << shift
    }
    if (byte > 0x7f) return this.readLongVarlong(start)
    return (value >>> 1) ^ -(value & 1)
  }

  private readLongVarlong(start: number): number {
    let value = 0n
    this.at = start
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.buffer[this.at++]
      if (byte === undefined || shift > 63n) throw this.corrupt('a number has no end')
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) break
    }
    return Number((value >> 1n) ^ -(value & 1n))
  }

  private corrupt(what: string): RecordError {
    return new RecordError(
      'RECORD_BATCH_CORRUPT',
      `The record batch at offset ${this.baseOffsetNumber} is damaged: ${what}.`,
    )
  }

  private unsupported(what: string): RecordError {
    return new RecordError(
      'RECORD_BATCH_UNSUPPORTED',
      `The record batch behind offset ${this.positionNumber - 1} cannot be read: ${what} is not supported.`,
    )
  }
}

/**
 * Which batches belong to aborted transactions. As Kafka's own consumer decides: a producer counts as aborted from
 * the first batch that reaches its transaction's first offset until the marker that ends it.
 */
class AbortedTransactions {
  private readonly waiting: { producerId: bigint; firstOffset: number }[]
  private readonly producers = new Set<bigint>()
  private next = 0

  constructor(aborted: readonly AbortedTransaction[]) {
    this.waiting = aborted
      .map(({ producerId, firstOffset }) => ({ producerId, firstOffset: Number(firstOffset) }))
      .sort((a, b) => a.firstOffset - b.firstOffset)
  }

  /** Whether the batch at `at` holds aborted records. */
  skips(buffer: Buffer, at: number, lastOffset: number, attributes: number, count: number): boolean {
    for (let entry = this.waiting[this.next]; entry !== undefined; entry = this.waiting[this.next]) {
      if (entry.firstOffset > lastOffset) break
      this.producers.add(entry.producerId)
      this.next += 1
    }
    if ((attributes & TRANSACTIONAL) === 0 || this.producers.size === 0) return false
    const producerId = buffer.readBigInt64BE(at + PRODUCER_ID_AT)
    if ((attributes & CONTROL) === 0) return this.producers.has(producerId)
    if (count > 0 && controlTypeAt(buffer, at) === ABORT_MARKER) this.producers.delete(producerId)
    return false
  }
}

/** The type in the key of a control batch's only record: version int16, type int16. */
function controlTypeAt(buffer: Buffer, at: number): number {
  let field = at + BATCH_HEADER_BYTES
  const passVarint = (): void => {
    while (buffer[field++]! > 0x7f);
  }
  passVarint()
  field += 1
  passVarint()
  passVarint()
  passVarint()
  return buffer.readInt16BE(field + 2)
}

const EMPTY = Buffer.alloc(0)
