/** Gathers records for several partitions into batches that the topics take. */
import type { OutgoingBatch } from '../log/log.ts'
import { RecordBatchBuilder, type RecordHeader } from '../log/record-batch-builder.ts'

/** Room for what a batch has besides its records. */
const BATCH_OVERHEAD_BYTES = 1_024

/** A record to be sent. */
export interface OutgoingRecord {
  readonly topic: string
  readonly partition: number
  readonly timestampMs: number
  readonly key: string | null
  readonly value: Buffer | string | null
  readonly headers: readonly RecordHeader[]
}

/** Records of one transaction, in order within each partition. No batch is larger than `maxBatchBytes`. */
export class OutgoingRecords {
  /** Since the last `take`. */
  count = 0
  /** At least what the records since the last `take` have as batches. */
  bytes = 0
  private readonly maxBatchBytes: number
  private readonly open = new Map<string, OutgoingBatch>()
  private full: OutgoingBatch[] = []

  constructor(maxBatchBytes: number) {
    this.maxBatchBytes = maxBatchBytes - BATCH_OVERHEAD_BYTES
  }

  /** Adds a record; one that does not fit beside the others begins a batch of its own. */
  append({ topic, partition, timestampMs, key, value, headers }: OutgoingRecord): void {
    const bound = RecordBatchBuilder.recordSizeBound(key, value, headers)
    const place = `${topic}/${partition}`
    let batch = this.open.get(place)
    if (batch !== undefined && batch.records.byteLength + bound > this.maxBatchBytes) {
      this.full.push(batch)
      batch = undefined
    }
    if (batch === undefined) {
      batch = { topic, partition, records: new RecordBatchBuilder() }
      this.open.set(place, batch)
    }
    batch.records.append(timestampMs, key, value, headers)
    this.count++
    this.bytes += bound
  }

  /** All batches, in an order that keeps that of each partition; empty afterwards. */
  take(): readonly OutgoingBatch[] {
    const batches = [...this.full, ...this.open.values()]
    this.full = []
    this.open.clear()
    this.count = 0
    this.bytes = 0
    return batches
  }
}
