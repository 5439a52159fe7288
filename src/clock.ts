/**
 * Time and chance, as arguments. This is the only file that may read the wall clock, set timers or draw random
 * numbers; everything else is handed a `Clock` and a `Random`, so that a simulation decides both.
 *
 * Nothing that reaches a result may come from here: results are a function of the log and of recorded decisions.
 */
import { randomBytes, randomUUID } from 'node:crypto'

/** Wall clock and timers. All times in milliseconds. */
export interface Clock {
  /** Milliseconds since 1970-01-01T00:00:00Z. May step backward. */
  now(): number
  /** Milliseconds since some fixed moment, with fractions. Never steps backward. */
  monotonic(): number
  /** Calls `callback` once, `delayMs` from now. Does not keep the process alive by itself when `background`. */
  schedule(delayMs: number, callback: () => void, options?: { background?: boolean }): Timer
  /** Resolves on the next turn of the event loop, after pending I/O had its chance. */
  yieldNow(): Promise<void>
}

/** A timer that can be called off; calling it off twice or after it fired does nothing. */
export interface Timer {
  cancel(): void
}

/** Chance that must never reach a result: incarnations, member ids, jitter. */
export interface Random {
  /** A new unique id, lower-case hexadecimal and dashes. */
  uuid(): string
  /** `count` random bytes. */
  bytes(count: number): Uint8Array
  /** A number in [0, 1). */
  fraction(): number
}

const TIMER_MS_MAX = 2 ** 31 - 1

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  schedule(delayMs, callback, options) {
    let handle: NodeJS.Timeout
    // A timer of the machine that is set for longer fires at once: longer delays are waited for in parts.
    const wait = (leftMs: number): void => {
      const partMs = Math.min(leftMs, TIMER_MS_MAX)
      handle = setTimeout(() => (leftMs > partMs ? wait(leftMs - partMs) : callback()), partMs)
      if (options?.background) handle.unref()
    }
    wait(delayMs)
    return { cancel: () => clearTimeout(handle) }
  },
  yieldNow: () => new Promise((resolve) => setImmediate(resolve)),
}

/** The machine's chance. */
export const systemRandom: Random = {
  uuid: () => randomUUID(),
  bytes: (count) => randomBytes(count),
  fraction: () => Math.random(),
}

/** Resolves after `delayMs`, or at once when `signal` is or becomes aborted. Never rejects. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve()
    const done = (): void => {
      timer.cancel()
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = clock.schedule(delayMs, done)
    signal?.addEventListener('abort', done)
  })
}
