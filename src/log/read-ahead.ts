/** What a reader holds between its fetches and its polls: the bookkeeping that the adapters' readers share. */
import { assert } from '../assert.ts'
import type { Clock } from '../clock.ts'
import { FatalError } from '../errors.ts'
import {
  partitionKey,
  type FetchedChunk,
  type FetchFailure,
  type Offset,
  type PollResult,
  type ReaderOptions,
  type TopicPartition,
} from './log.ts'

const PREFETCH_BYTES = 16 * 1_048_576
const MAX_PARTITION_BYTES = 1_048_576
/** Among very many partitions each may still hold this much. */
const MIN_SHARE_BYTES = 65_536

/** One assignment of a partition; another `assign` of it makes another one. */
export interface Reading {
  readonly at: TopicPartition
  /** Where the next fetch begins. */
  position: Offset
  /** What was last told; null before the first answer. */
  seen: { readonly end: Offset; readonly stable: Offset; readonly start: Offset } | null
  /** Fetched and not yet polled. */
  chunks: FetchedChunk[]
  bytes: number
  paused: boolean
  /** A fetch of it is under way; set and cleared by whoever fetches. */
  inFlight: boolean
  /** The topic under which it reads, once that is known. */
  topicId: string | null
}

/** What an adapter brings. */
export interface ReadAheadParts {
  readonly clock: Clock
  readonly options: ReaderOptions
  /** Called in a later turn, once for any number of reasons, when something may be fetched. */
  readonly fetch: () => void
}

/**
 * Each partition may hold its share of the prefetch bytes: a paused or slow one never takes room from the others.
 * Promises of `LogReader` that are kept here: nothing of an earlier assignment is delivered, failures are told once,
 * one poll at a time.
 */
export class ReadAhead {
  closed = false
  private readonly clock: Clock
  private readonly prefetchBytes: number
  private readonly maxPartitionBytes: number
  private readonly fetch: () => void
  private readonly readings = new Map<string, Reading>()
  private failures: FetchFailure[] = []
  private fatal: Error | null = null
  private polling = false
  private fetchDue = false
  private wake: () => void = () => undefined

  constructor({ clock, options, fetch }: ReadAheadParts) {
    this.clock = clock
    this.prefetchBytes = options.prefetchBytes ?? PREFETCH_BYTES
    this.maxPartitionBytes = options.maxPartitionBytes ?? MAX_PARTITION_BYTES
    this.fetch = fetch
  }

  assign({ topic, partition }: TopicPartition, from: Offset): void {
    const at = { topic, partition }
    const paused = this.readings.get(partitionKey(at))?.paused ?? false
    this.readings.set(partitionKey(at), {
      at,
      position: from,
      seen: null,
      chunks: [],
      bytes: 0,
      paused,
      inFlight: false,
      topicId: null,
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

  async poll(maxWaitMs: number): Promise<PollResult> {
    assert(!this.polling, 'one poll at a time')
    this.polling = true
    try {
      if (this.closed) throw new FatalError('LOG_CLOSED', 'The reader is closed.')
      if (!this.hasNews() && maxWaitMs > 0) await this.untilNews(maxWaitMs)
      return this.take()
    } finally {
      this.polling = false
    }
  }

  /** Ends it, and a poll that is under way with nothing; false when it had ended before. */
  close(): boolean {
    if (this.closed) return false
    this.closed = true
    this.readings.clear()
    this.wake()
    return true
  }

  /** How much to ask for of one partition. */
  chunkBytes(): number {
    return Math.min(this.maxPartitionBytes, this.shareBytes())
  }

  /** What may be fetched now: wanted, with room, and not under way. */
  due(): Reading[] {
    if (this.closed || this.fatal !== null) return []
    const share = this.shareBytes()
    const chunkBytes = this.chunkBytes()
    return [...this.readings.values()].filter(({ inFlight, paused, bytes }) => {
      return !inFlight && !paused && (bytes === 0 || bytes + chunkBytes <= share)
    })
  }

  /** Calls `fetch` after the present turn, so that several `assign`s share a request. */
  fetchSoon(): void {
    if (this.fetchDue) return
    this.fetchDue = true
    void Promise.resolve().then(() => {
      this.fetchDue = false
      if (!this.closed && this.fatal === null) this.fetch()
    })
  }

  /** Whether nothing took the place of this assignment. */
  isCurrent(reading: Reading): boolean {
    return this.readings.get(partitionKey(reading.at)) === reading
  }

  /** Keeps a chunk to be polled, unless its assignment is over or it tells nothing new. */
  accept(reading: Reading, chunk: FetchedChunk): void {
    if (!this.isCurrent(reading)) return
    const { end, stable, start, nextOffset, batches } = chunk
    const bytes = batches.end - batches.start
    const { seen } = reading
    const same = seen !== null && seen.end === end && seen.stable === stable && seen.start === start
    if (same && bytes === 0 && nextOffset === reading.position) return
    // News without records is told once, as it stands at the poll.
    const last = reading.chunks.at(-1)?.batches
    if (last !== undefined && last.start === last.end) reading.chunks.pop()
    reading.chunks.push(chunk)
    reading.bytes += bytes
    reading.position = nextOffset
    reading.seen = { end, stable, start }
    this.wake()
  }

  /** Ends an assignment with an error, unless it is over. */
  fail(reading: Reading, error: FatalError): void {
    if (!this.isCurrent(reading)) return
    this.readings.delete(partitionKey(reading.at))
    this.failures.push({ partition: reading.at, error })
    this.wake()
  }

  /** Ends everything: every poll rejects with the error from now on. */
  failAll(error: Error): void {
    this.fatal ??= error
    this.wake()
  }

  private hasNews(): boolean {
    if (this.closed || this.fatal !== null || this.failures.length > 0) return true
    for (const { chunks, paused } of this.readings.values()) if (chunks.length > 0 && !paused) return true
    return false
  }

  private untilNews(maxWaitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.clock.schedule(maxWaitMs, resolve)
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

  private shareBytes(): number {
    return Math.max(MIN_SHARE_BYTES, Math.floor(this.prefetchBytes / Math.max(1, this.readings.size)))
  }
}
