/** One partition: the offsets it gives out, and what of it is not yet decided. */
import { assert } from '../../assert.ts'
import {
  ATTRIBUTES_AT,
  BASE_OFFSET_AT,
  BASE_SEQUENCE_AT,
  BASE_TIMESTAMP_AT,
  CRC_AT,
  LAST_OFFSET_DELTA_AT,
  LOG_APPEND_TIME,
  MAX_TIMESTAMP_AT,
  readInt64,
  RECORD_COUNT_AT,
  writeInt64,
} from '../batch-format.ts'
import { crc32c } from '../../crc32c.ts'
import type { BatchIndex } from './batch-index.ts'
import type { IndexEntry, PartitionEntry, TopicEntry } from './storage-layout.ts'

/** A batch of a transaction that is not committed, at its offsets. */
export interface HeldBatch {
  readonly entry: IndexEntry
  readonly buffer: Buffer
}

/** What one transaction has appended to one partition; its first offset holds back the last stable offset. */
export interface HeldRun {
  readonly partition: PartitionLog
  readonly firstOffset: number
  readonly batches: HeldBatch[]
}

/**
 * Offsets as numbers; they are bigints only where they leave the broker.
 *
 * `start` is the first offset that may exist, `end` the next one given out. Offsets are given at once, to records of
 * open transactions too; `lastStable` is where the earliest run begins that is not finished.
 */
export class PartitionLog {
  readonly topic: TopicEntry
  readonly partition: number
  /** Its name in the engine. */
  readonly number: number
  readonly index: BatchIndex
  start: number
  end: number
  /** At or above `end`, and on disk: see storage-layout.ts. */
  endBound: number
  /** The end bound that will be on disk when all writes are done. */
  queuedBound: number
  cleanedTo: number
  /** Bytes committed since compaction last went over the partition; null when they were not counted yet. */
  dirtyBytes: number | null = 0
  deleted = false

  /** In the order of their first offsets. */
  private readonly unfinished = new Set<HeldRun>()
  private readonly listeners = new Set<() => void>()

  constructor(topic: TopicEntry, partition: number, state: PartitionEntry, index: BatchIndex) {
    this.topic = topic
    this.partition = partition
    this.number = topic.firstNumber + partition
    this.index = index
    this.start = state.start
    this.end = state.endBound
    this.endBound = state.endBound
    this.queuedBound = state.endBound
    this.cleanedTo = state.cleanedTo
  }

  /** The first offset whose fate is open; `end` where there is none. */
  get lastStable(): number {
    for (const run of this.unfinished) return Math.max(run.firstOffset, this.start)
    return this.end
  }

  /** What is to be stored of it. */
  entry(endBound = Math.max(this.queuedBound, this.end)): PartitionEntry {
    return { start: this.start, endBound, cleanedTo: this.cleanedTo }
  }

  /** Begins a run at the present end. */
  beginRun(): HeldRun {
    const run = { partition: this, firstOffset: this.end, batches: [] }
    this.unfinished.add(run)
    return run
  }

  /**
   * Gives `buffer`, one whole batch, the next offsets and adds it to `run`; answers its base offset. The buffer then
   * belongs to the partition. `nowMs` is the time of arrival, for topics that stamp it.
   */
  append(run: HeldRun, buffer: Buffer, nowMs: number): number {
    assert(this.unfinished.has(run), 'a finished run takes no more records')
    const base = this.end
    buffer.writeBigInt64BE(BigInt(base), BASE_OFFSET_AT)
    if (this.topic.settings.timestampType === 'append') stampArrival(buffer, nowMs)
    const entry = indexEntryOf(buffer, base)
    run.batches.push({ entry, buffer })
    this.end = entry.last + 1
    this.changed()
    return base
  }

  /** The offset that a transaction's marker takes up. */
  takeMarkerOffset(): void {
    this.end += 1
    this.changed()
  }

  /** The run is visible, or gone: it holds nothing back any more. */
  finish(run: HeldRun): void {
    this.unfinished.delete(run)
    this.changed()
  }

  /** Raises the start; false when it stands there already. */
  raiseStart(to: number): boolean {
    if (to <= this.start) return false
    this.start = to
    this.changed()
    return true
  }

  /** Batches that are not finished, in the order of their offsets. */
  heldBatches(): HeldBatch[] {
    const batches = [...this.unfinished].flatMap((run) => run.batches)
    return batches.sort((a, b) => a.entry.base - b.entry.base)
  }

  /** Calls `listener` whenever start, end or last stable offset may have moved, until the answer is called. */
  onChange(listener: () => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  /** The topic was deleted: whoever waits for the partition learns it now. */
  markDeleted(): void {
    this.deleted = true
    this.unfinished.clear()
    this.changed()
  }

  private changed(): void {
    for (const listener of [...this.listeners]) listener()
  }
}

/** What the index says of a batch at `base`. */
export function indexEntryOf(buffer: Buffer, base: number, tombstonesUntilMs = 0): IndexEntry {
  return {
    base,
    last: base + buffer.readInt32BE(LAST_OFFSET_DELTA_AT),
    bytes: buffer.length,
    firstTimestampMs: readInt64(buffer, BASE_TIMESTAMP_AT),
    maxTimestampMs: readInt64(buffer, MAX_TIMESTAMP_AT),
    tombstonesUntilMs,
  }
}

/** Number of the batch's first record in its producer's sequence, and the number of records. */
export function sequenceOf(buffer: Buffer): { base: number; count: number } {
  return { base: buffer.readInt32BE(BASE_SEQUENCE_AT), count: buffer.readInt32BE(RECORD_COUNT_AT) }
}

function stampArrival(buffer: Buffer, nowMs: number): void {
  buffer.writeInt16BE(buffer.readInt16BE(ATTRIBUTES_AT) | LOG_APPEND_TIME, ATTRIBUTES_AT)
  writeInt64(buffer, nowMs, MAX_TIMESTAMP_AT)
  buffer.writeUInt32BE(crc32c(buffer, ATTRIBUTES_AT), CRC_AT)
}
