/** Reads partitions ahead of the polls, within a bound of bytes. */
import { assert } from '../../assert.ts'
import { sleep } from '../../clock.ts'
import { codeOf, FatalError, messageOf, RetriableError } from '../../errors.ts'
import {
  partitionKey,
  type FetchedChunk,
  type FetchFailure,
  type LogReader,
  type Offset,
  type PollResult,
  type ReaderOptions,
  type TopicPartition,
} from '../log.ts'
import { verifyBatches } from '../verify-batches.ts'
import type { FetchedPartition, PartitionProgress } from './broker-connection.ts'
import type { Lifeline } from './lifeline.ts'

const PREFETCH_BYTES = 16 * 1_048_576
const MAX_PARTITION_BYTES = 1_048_576
/** Among very many partitions each may still hold this much. */
const MIN_SHARE_BYTES = 65_536
const LONG_POLL_MS = 5_000
const BACKOFF_MS = 50

/** One assignment of a partition; another `assign` makes another one. */
interface Reading {
  readonly at: TopicPartition
  position: Offset
  topicId: string | null
  seen: PartitionProgress | null
  chunks: FetchedChunk[]
  bytes: number
  paused: boolean
  inFlight: boolean
}

/**
 * Each partition may hold its share of the prefetch bytes: a paused or slow one never takes room from the others.
 * Partitions without a fetch under way are asked for together.
 */
export class EmbeddedReader implements LogReader {
  private readonly life: Lifeline
  private readonly verify: boolean
  private readonly prefetchBytes: number
  private readonly maxPartitionBytes: number
  private readonly onClosed: (reader: EmbeddedReader) => void
  private readonly readings = new Map<string, Reading>()
  private failures: FetchFailure[] = []
  private fatal: Error | null = null
  private closed = false
  private polling = false
  private fetchDue = false
  private wake: () => void = () => undefined

  /** `verify`: whether checksums are compared. */
  constructor(
    life: Lifeline,
    options: ReaderOptions,
    verify: boolean,
    onClosed: (reader: EmbeddedReader) => void,
  ) {
    this.life = life
    this.verify = verify
    this.prefetchBytes = options.prefetchBytes ?? PREFETCH_BYTES
    this.maxPartitionBytes = options.maxPartitionBytes ?? MAX_PARTITION_BYTES
    this.onClosed = onClosed
  }

  assign({ topic, partition }: TopicPartition, from: Offset): void {
    const at = { topic, partition }
    const key = partitionKey(at)
    const paused = this.readings.get(key)?.paused ?? false
    this.readings.set(key, {
      at,
      position: from,
      topicId: null,
      seen: null,
      chunks: [],
      bytes: 0,
      paused,
      inFlight: false,
    })
    this.fetchSoon()
  }

  unassign(partition: TopicPartition): void {
    this.readings.delete(partitionKey(partition))
  }

  pause(partition: TopicPartition): void {
    const reading = this.readings.get(partitionKey(partition))
    if (reading !== undefined) reading.paused = true
  }

  resume(partition: TopicPartition): void {
    const reading = this.readings.get(partitionKey(partition))
    if (reading === undefined || !reading.paused) return
    reading.paused = false
    this.fetchSoon()
    this.wake()
  }

  poll(maxWaitMs: number): Promise<PollResult> {
    return this.life.run(async () => {
      assert(!this.polling, 'one poll at a time')
      this.polling = true
      try {
        if (this.closed) throw new FatalError('LOG_CLOSED', 'The reader is closed.')
        if (!this.hasNews() && maxWaitMs > 0) await this.untilNews(maxWaitMs)
        return this.take()
      } finally {
        this.polling = false
      }
    })
  }

  async close(): Promise<void> {
    if (this.closed) return
    this.closed = true
    this.readings.clear()
    this.onClosed(this)
    this.wake()
  }

  private hasNews(): boolean {
    if (this.closed || this.fatal !== null || this.failures.length > 0) return true
    for (const { chunks, paused } of this.readings.values()) if (chunks.length > 0 && !paused) return true
    return false
  }

  private untilNews(maxWaitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.life.clock.schedule(maxWaitMs, resolve)
      this.wake = () => {
        if (!this.hasNews()) return
        timer.cancel()
        resolve()
      }
    })
  }

  private take(): PollResult {
    this.wake = () => undefined
    if (this.fatal !== null) throw this.fatal
    const chunks: FetchedChunk[] = []
    for (const reading of this.readings.values()) {
      if (reading.paused || reading.chunks.length === 0) continue
      for (const chunk of reading.chunks) chunks.push(chunk)
      reading.chunks = []
      reading.bytes = 0
    }
    const { failures } = this
    this.failures = []
    if (chunks.length > 0) this.fetchSoon()
    return { chunks, failures }
  }

  /** After the present turn, so that several `assign`s share a request. */
  private fetchSoon(): void {
    if (this.fetchDue) return
    this.fetchDue = true
    void Promise.resolve().then(() => {
      this.fetchDue = false
      if (this.closed || this.fatal !== null) return
      const chunkBytes = Math.min(this.maxPartitionBytes, this.shareBytes())
      const due = [...this.readings.values()].filter(
        ({ inFlight, paused, bytes }) =>
          !inFlight && !paused && (bytes === 0 || bytes + chunkBytes <= this.shareBytes()),
      )
      if (due.length > 0) void this.fetch(due, chunkBytes)
    })
  }

  private shareBytes(): number {
    return Math.max(MIN_SHARE_BYTES, Math.floor(this.prefetchBytes / Math.max(1, this.readings.size)))
  }

  private async fetch(readings: readonly Reading[], maxBytes: number): Promise<void> {
    for (const reading of readings) reading.inFlight = true
    try {
      const { partitions, errors } = await this.life.connection.fetch({
        partitions: readings.map(({ at, topicId, position, seen }) => {
          return { ...at, topicId, offset: position, maxBytes, seen }
        }),
        maxWaitMs: LONG_POLL_MS,
      })
      const byKey = new Map(readings.map((reading) => [partitionKey(reading.at), reading]))
      for (const fetched of partitions) this.accept(byKey.get(partitionKey(fetched)), fetched)
      for (const error of errors) {
        this.fail(byKey.get(partitionKey(error)), new FatalError(error.code, error.message))
      }
    } catch (error) {
      if (error instanceof RetriableError) await sleep(this.life.clock, BACKOFF_MS)
      else this.fatal = error instanceof Error ? error : new FatalError('LOG_FAILED', String(error))
    }
    for (const reading of readings) reading.inFlight = false
    this.fetchSoon()
    this.wake()
  }

  private accept(reading: Reading | undefined, fetched: FetchedPartition): void {
    if (reading === undefined || !this.isCurrent(reading)) return
    const { batches: buffer, nextOffset, end, stable, start, topicId } = fetched
    const batches = { buffer, start: 0, end: buffer.length, fromOffset: reading.position }
    try {
      if (this.verify) verifyBatches(batches)
    } catch (error) {
      return this.fail(reading, new FatalError(codeOf(error, 'RECORD_BATCH_CORRUPT'), messageOf(error)))
    }
    // News without records is told once, as it stands at the poll.
    if (reading.chunks.at(-1)?.batches.buffer.length === 0) reading.chunks.pop()
    reading.chunks.push({ partition: reading.at, batches, nextOffset, end, stable, start })
    reading.bytes += buffer.length
    reading.position = nextOffset
    reading.topicId = topicId
    reading.seen = { end, stable, start }
  }

  private fail(reading: Reading | undefined, error: FatalError): void {
    if (reading === undefined || !this.isCurrent(reading)) return
    this.readings.delete(partitionKey(reading.at))
    this.failures.push({ partition: reading.at, error })
  }

  private isCurrent(reading: Reading): boolean {
    return this.readings.get(partitionKey(reading.at)) === reading
  }
}
