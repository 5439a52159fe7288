/**
 * What records name but do not contain is fetched before they are handed to their task, because decoding is
 * synchronous: schemas of their writers, by id. While that cannot be had (the registry is down) their inputs wait, as
 * they would for a log that does not answer: no record becomes a dead letter for it.
 */
import { sleep, type Clock, type Random } from '../clock.ts'
import { RetriableError } from '../errors.ts'
import type { FetchedChunk } from '../log/log.ts'
import { RecordCursor } from '../log/record-cursor.ts'
import type { Lookup } from '../serde/serde.ts'
import type { RecordReader } from './record-reader.ts'

const FIRST_BACKOFF_MS = 100
const BACKOFF_MS_MAX = 5_000

/** What a lookup waits with and tells. */
export interface LookupContext {
  readonly clock: Clock
  readonly random: Random
  /** Called for each attempt that failed and will be repeated. */
  readonly onRetry: (error: RetriableError) => void
}

/** Looks up for one worker; one call of `prepare` at a time. */
export class InputLookup {
  private readonly context: LookupContext
  private readonly cursor = new RecordCursor()

  constructor(context: LookupContext) {
    this.context = context
  }

  /**
   * Resolves with true when `reader` can read every record of `chunk`, with false when `signal` was aborted before.
   * Repeats what fails with `RetriableError`, without end; rejects with anything else.
   */
  async prepare(chunk: FetchedChunk, reader: RecordReader, signal: AbortSignal): Promise<boolean> {
    let backoffMs = FIRST_BACKOFF_MS
    const needed = this.neededBy(chunk, reader)
    for (const lookup of needed) {
      while (!signal.aborted && !(await this.fetched(lookup))) {
        await sleep(this.context.clock, Math.ceil(backoffMs * (0.5 + this.context.random.fraction())), signal)
        backoffMs = Math.min(2 * backoffMs, BACKOFF_MS_MAX)
      }
    }
    return needed.size === 0 || !signal.aborted
  }

  private neededBy({ batches }: FetchedChunk, reader: RecordReader): ReadonlySet<Lookup> {
    const needed = new Set<Lookup>()
    this.cursor.reset(batches)
    while (this.cursor.next()) reader.addMissing(this.cursor, needed)
    return needed
  }

  private async fetched(lookup: Lookup): Promise<boolean> {
    try {
      await lookup.fetch()
      return true
    } catch (error) {
      if (!(error instanceof RetriableError)) throw error
      this.context.onRetry(error)
      return false
    }
  }
}
