import type { StoreEntry } from './store-entry.ts'

/** The entries of one window, by key text. */
export interface WindowSlice<K, V> {
  readonly startMs: number
  readonly entries: Map<string, StoreEntry<K, V>>
  /** Whether every key of the window has its value in memory; else a miss asks the backend. */
  complete: boolean
}

/** The slices of a window store by start, and their starts in order. */
export class WindowSlices<K, V> {
  private readonly byStart = new Map<number, WindowSlice<K, V>>()
  private readonly startsMs: number[] = []
  private last: WindowSlice<K, V> | undefined

  /** The slice of a window, if there is one. Records mostly hit the same window as the one before. */
  at(startMs: number): WindowSlice<K, V> | undefined {
    if (this.last !== undefined && this.last.startMs === startMs) return this.last
    const slice = this.byStart.get(startMs)
    if (slice !== undefined) this.last = slice
    return slice
  }

  /** The slice of a window, made where there is none. */
  open(startMs: number): WindowSlice<K, V> {
    const existing = this.at(startMs)
    if (existing !== undefined) return existing
    const slice: WindowSlice<K, V> = { startMs, entries: new Map(), complete: true }
    this.byStart.set(startMs, slice)
    let index = this.startsMs.length
    while (index > 0 && this.startsMs[index - 1]! > startMs) index--
    this.startsMs.splice(index, 0, startMs)
    this.last = slice
    return slice
  }

  remove(startMs: number): void {
    if (!this.byStart.delete(startMs)) return
    this.startsMs.splice(this.startsMs.indexOf(startMs), 1)
    if (this.last?.startMs === startMs) this.last = undefined
  }

  /** Start of the earliest window that is open; `undefined` when none is. */
  get earliestStartMs(): number | undefined {
    return this.startsMs[0]
  }

  /** Starts of all open windows, earliest first. */
  get starts(): readonly number[] {
    return this.startsMs
  }

  values(): Iterable<WindowSlice<K, V>> {
    return this.byStart.values()
  }
}
