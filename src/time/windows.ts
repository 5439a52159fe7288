/**
 * Fixed-size event-time windows. Pure arithmetic on epoch milliseconds; no clock, no I/O, no RxJS.
 *
 * What lives in `time/`: windows, watermarks, lateness, the canonical order of inputs, what a task knows of the time
 * of its inputs, recorded decisions. What never does: reading the wall clock, stores, records' contents.
 */

/** The half-open interval `[startMs, endMs)`. */
export interface Window {
  readonly startMs: number
  readonly endMs: number
}

/** A key together with the window it was aggregated in. */
export interface Windowed<K> {
  readonly key: K
  readonly window: Window
}

/** The largest valid event time: the last moment a JavaScript `Date` can name. */
export const MAX_EVENT_TIME_MS = 8.64e15

/** Whether `timeMs` can be an event time: an integer in `[0, 8.64e15]`. */
export function isEventTime(timeMs: unknown): timeMs is number {
  return Number.isInteger(timeMs) && (timeMs as number) >= 0 && (timeMs as number) <= MAX_EVENT_TIME_MS
}

/**
 * Windows aligned to the epoch: the n-th is `[n * advanceMs, n * advanceMs + sizeMs)`, n >= 0. Tumbling windows have
 * `advanceMs === sizeMs`; hopping windows overlap. A window takes records until `closesAtMs(start)` = end + grace.
 */
export class TimeWindows {
  readonly sizeMs: number
  readonly advanceMs: number
  readonly graceMs: number

  private constructor(sizeMs: number, advanceMs: number, graceMs: number) {
    requireDuration('window size', sizeMs, 1)
    requireDuration('window advance', advanceMs, 1)
    requireDuration('window grace', graceMs, 0)
    if (advanceMs > sizeMs) {
      throw new RangeError(
        `window advance ${advanceMs} ms is larger than window size ${sizeMs} ms: times between windows`,
      )
    }
    this.sizeMs = sizeMs
    this.advanceMs = advanceMs
    this.graceMs = graceMs
  }

  /** Tumbling windows that take late records for `graceMs` after their end. */
  static ofSizeAndGrace(sizeMs: number, graceMs: number): TimeWindows {
    return new TimeWindows(sizeMs, sizeMs, graceMs)
  }

  /** Tumbling windows that close at their end. */
  static ofSizeWithNoGrace(sizeMs: number): TimeWindows {
    return new TimeWindows(sizeMs, sizeMs, 0)
  }

  /** The same windows, a new one every `advanceMs` (hopping windows). */
  advanceBy(advanceMs: number): TimeWindows {
    return new TimeWindows(this.sizeMs, advanceMs, this.graceMs)
  }

  /** Start of the latest window that contains `timeMs`. */
  latestStartMs(timeMs: number): number {
    return timeMs - (timeMs % this.advanceMs)
  }

  /** Start of the earliest window that contains `timeMs`; windows do not begin before the epoch. */
  earliestStartMs(timeMs: number): number {
    if (timeMs < this.sizeMs) return 0
    const after = timeMs - this.sizeMs
    return after - (after % this.advanceMs) + this.advanceMs
  }

  /** The time from which on the window that starts at `startMs` takes nothing more: its end plus grace. */
  closesAtMs(startMs: number): number {
    return startMs + this.sizeMs + this.graceMs
  }

  /** The window that starts at `startMs`. */
  windowAt(startMs: number): Window {
    return { startMs, endMs: startMs + this.sizeMs }
  }

  /** All windows that contain `timeMs`, earliest first. */
  windowsFor(timeMs: number): Window[] {
    const windows: Window[] = []
    const last = this.latestStartMs(timeMs)
    for (let start = this.earliestStartMs(timeMs); start <= last; start += this.advanceMs) {
      windows.push(this.windowAt(start))
    }
    return windows
  }
}

function requireDuration(what: string, valueMs: number, leastMs: number): void {
  if (!Number.isInteger(valueMs) || valueMs < leastMs || valueMs > MAX_EVENT_TIME_MS) {
    throw new RangeError(`${what} must be an integer of at least ${leastMs} ms, not ${valueMs}`)
  }
}
