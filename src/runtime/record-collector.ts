import { RecordError } from '../errors.ts'
import { RecordBatchBuilder, type BatchMark, type RecordHeader } from '../log/record-batch-builder.ts'
import type { OutgoingBatch } from '../log/log.ts'

/** Batches are begun anew above this size: small enough for readers, large enough to spare work per batch. */
const BATCH_BYTES_TARGET = 256 * 1024

/** Builders kept for later, by each collector. */
const FREE_BUILDERS_MAX = 2

interface PartitionBatches {
  readonly topic: string
  readonly partition: number
  readonly builders: RecordBatchBuilder[]
}

interface TouchedBuilder {
  builder: RecordBatchBuilder
  readonly mark: BatchMark
}

/**
 * The outputs of one task since its last commit, encoded as they come: results, repartition records, late records,
 * dead letters, changelog entries. What a unit added can be taken back.
 */
export class RecordCollector {
  private readonly maxRecordBytes: number
  private partitions = new Map<string, PartitionBatches>()
  private readonly touched: TouchedBuilder[] = []
  private touchedCount = 0
  private bytes = 0
  private readonly free: RecordBatchBuilder[] = []

  /** `maxRecordBytes`: the largest record that topics take. */
  constructor(maxRecordBytes: number) {
    this.maxRecordBytes = maxRecordBytes
  }

  /** Bytes waiting to be sent, roughly. */
  get pendingBytes(): number {
    return this.bytes
  }

  /** Begins an undo unit. */
  begin(): void {
    this.touchedCount = 0
  }

  /** Takes back what was added since `begin`. */
  rollback(): void {
    for (let index = 0; index < this.touchedCount; index++) {
      const { builder, mark } = this.touched[index]!
      this.bytes -= builder.byteLength - mark.byteLength
      builder.rollback(mark)
    }
    this.touchedCount = 0
  }

  /** Adds a record. `RecordError` `OUTPUT_TOO_LARGE` when no topic would take it; then nothing was added. */
  add(
    topic: string,
    partition: number,
    timestampMs: number,
    key: Buffer | string | null,
    value: Buffer | string | null,
    headers?: readonly RecordHeader[],
  ): void {
    const sizeBound = RecordBatchBuilder.recordSizeBound(key, value, headers)
    if (sizeBound > this.maxRecordBytes) this.checkExactSize(topic, key, value, headers)
    const builder = this.builderFor(topic, partition, sizeBound)
    this.touch(builder)
    const before = builder.byteLength
    builder.append(timestampMs, key, value, headers)
    this.bytes += builder.byteLength - before
  }

  /** All batches since the last call, for one transaction; what is added from now on belongs to the next. */
  take(): readonly OutgoingBatch[] {
    const batches: OutgoingBatch[] = []
    for (const { topic, partition, builders } of this.partitions.values()) {
      for (const records of builders) {
        if (records.count > 0) batches.push({ topic, partition, records })
      }
    }
    this.partitions = new Map()
    this.touchedCount = 0
    this.bytes = 0
    return batches
  }

  /** Takes back builders of `take` whose transaction has ended, to be used again: their buffers are large. */
  recycle(batches: readonly OutgoingBatch[]): void {
    for (const { records } of batches) {
      if (this.free.length >= FREE_BUILDERS_MAX) return
      records.reset()
      this.free.push(records)
    }
  }

  private builderFor(topic: string, partition: number, sizeBound: number): RecordBatchBuilder {
    const key = `${topic}/${partition}`
    let batches = this.partitions.get(key)
    if (batches === undefined) {
      batches = { topic, partition, builders: [this.free.pop() ?? new RecordBatchBuilder()] }
      this.partitions.set(key, batches)
    }
    const last = batches.builders[batches.builders.length - 1]!
    const fits = last.byteLength + sizeBound <= this.maxRecordBytes
    // Topics refuse batches, not records, that are too large; a record alone was checked.
    if (last.count === 0 || (fits && last.byteLength < BATCH_BYTES_TARGET)) return last
    const next = this.free.pop() ?? new RecordBatchBuilder(BATCH_BYTES_TARGET + 64 * 1024)
    batches.builders.push(next)
    return next
  }

  private touch(builder: RecordBatchBuilder): void {
    for (let index = 0; index < this.touchedCount; index++) {
      if (this.touched[index]!.builder === builder) return
    }
    const slot = (this.touched[this.touchedCount] ??= { builder, mark: emptyMark() })
    slot.builder = builder
    builder.mark(slot.mark)
    this.touchedCount++
  }

  private checkExactSize(
    topic: string,
    key: Buffer | string | null,
    value: Buffer | string | null,
    headers: readonly RecordHeader[] = [],
  ): void {
    let bytes = lengthOf(key) + lengthOf(value)
    for (const header of headers) bytes += Buffer.byteLength(header.key) + lengthOf(header.value)
    // What the record format adds to lengths is far below this.
    const overhead = 64 + headers.length * 16
    if (bytes + overhead <= this.maxRecordBytes) return
    throw new RecordError(
      'OUTPUT_TOO_LARGE',
      `a record of ${bytes} bytes for topic ${topic} is larger than the ${this.maxRecordBytes} bytes it takes`,
    )
  }
}

function lengthOf(bytes: Buffer | string | null): number {
  if (bytes === null) return 0
  return typeof bytes === 'string' ? Buffer.byteLength(bytes) : bytes.length
}

function emptyMark(): BatchMark {
  return { byteLength: 0, count: 0, baseTimestampMs: 0, maxTimestampMs: 0 }
}
