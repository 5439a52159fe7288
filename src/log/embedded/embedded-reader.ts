/** Reads partitions ahead of the polls, within a bound of bytes. */
import { sleep } from '../../clock.ts'
import { codeOf, FatalError, messageOf, RetriableError } from '../../errors.ts'
import {
  partitionKey,
  type LogReader,
  type Offset,
  type PollResult,
  type ReaderOptions,
  type TopicPartition,
} from '../log.ts'
import { ReadAhead, type Reading } from '../read-ahead.ts'
import { verifyBatches } from '../verify-batches.ts'
import type { FetchedPartition } from './broker-connection.ts'
import type { Lifeline } from './lifeline.ts'

const LONG_POLL_MS = 5_000
const BACKOFF_MS = 50

/** Partitions without a fetch under way are asked for together. */
export class EmbeddedReader implements LogReader {
  private readonly life: Lifeline
  private readonly verify: boolean
  private readonly ahead: ReadAhead
  private readonly onClosed: (reader: EmbeddedReader) => void

  /** `verify`: whether checksums are compared. */
  constructor(
    life: Lifeline,
    options: ReaderOptions,
    verify: boolean,
    onClosed: (reader: EmbeddedReader) => void,
  ) {
    this.life = life
    this.verify = verify
    this.ahead = new ReadAhead({ clock: life.clock, options, fetch: () => this.fetchDue() })
    this.onClosed = onClosed
  }

  assign(partition: TopicPartition, from: Offset): void {
    this.ahead.assign(partition, from)
  }

  unassign(partition: TopicPartition): void {
    this.ahead.unassign(partition)
  }

  pause(partition: TopicPartition): void {
    this.ahead.pause(partition)
  }

  resume(partition: TopicPartition): void {
    this.ahead.resume(partition)
  }

  poll(maxWaitMs: number): Promise<PollResult> {
    return this.life.run(() => this.ahead.poll(maxWaitMs))
  }

  async close(): Promise<void> {
    if (this.ahead.close()) this.onClosed(this)
  }

  private fetchDue(): void {
    const due = this.ahead.due()
    if (due.length > 0) void this.fetch(due, this.ahead.chunkBytes())
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
        const reading = byKey.get(partitionKey(error))
        if (reading !== undefined) this.ahead.fail(reading, new FatalError(error.code, error.message))
      }
    } catch (error) {
      if (error instanceof RetriableError) await sleep(this.life.clock, BACKOFF_MS)
      else this.ahead.failAll(error instanceof Error ? error : new FatalError('LOG_FAILED', String(error)))
    }
    for (const reading of readings) reading.inFlight = false
    this.ahead.fetchSoon()
  }

  private accept(reading: Reading | undefined, fetched: FetchedPartition): void {
    if (reading === undefined || !this.ahead.isCurrent(reading)) return
    const { batches: buffer, nextOffset, end, stable, start, topicId } = fetched
    const batches = { buffer, start: 0, end: buffer.length, fromOffset: reading.position }
    try {
      if (this.verify) verifyBatches(batches)
    } catch (error) {
      const failure = new FatalError(codeOf(error, 'RECORD_BATCH_CORRUPT'), messageOf(error))
      return this.ahead.fail(reading, failure)
    }
    this.ahead.accept(reading, { partition: reading.at, batches, nextOffset, end, stable, start })
    reading.topicId = topicId
  }
}
