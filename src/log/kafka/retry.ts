/** Calls again what may be called again. */
import { sleep, type Clock } from '../../clock.ts'
import { RetriableError } from '../../errors.ts'

/** Pauses between attempts: growing from 2 ms, since most causes pass within a few milliseconds. */
const FIRST_PAUSE_MS = 2
const LONGEST_PAUSE_MS = 200

/** How one call is repeated. */
export interface Patience {
  readonly clock: Clock
  /** Gives up with the last error after this long. */
  readonly withinMs: number
  /** Longest pause between two attempts. Default 200. */
  readonly longestPauseMs?: number
  /** Ends it early, with the last error. */
  readonly signal?: AbortSignal
}

/** `work`'s result, called again while it fails with `RetriableError`. */
export async function patiently<T>(
  { clock, withinMs, longestPauseMs = LONGEST_PAUSE_MS, signal }: Patience,
  work: () => Promise<T>,
): Promise<T> {
  const untilMs = clock.monotonic() + withinMs
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof RetriableError) || clock.monotonic() + pauseMs > untilMs) throw error
      await sleep(clock, pauseMs, signal)
      if (signal?.aborted) throw error
    }
  }
}
