/** The index of one partition's stored batches: on disk, with a bounded part of it in memory. */
import type { Engine } from './engine.ts'
import { rangeOf, type IndexEntry } from './storage-layout.ts'
import { read } from './stored-entries.ts'

/** Entries read at once, and kept of the newest. */
const WINDOW_ENTRIES = 256

/** The entries from the offset asked for up to another, in order. */
export interface IndexSlice {
  readonly entries: readonly IndexEntry[]
  /** Every entry with a base below is among them. At most the end that was asked for. */
  readonly upTo: number
}

/** All entries with `last >= from` and `base < to`, in order. */
interface Window {
  readonly entries: IndexEntry[]
  readonly from: number
  readonly to: number
}

/**
 * Two pieces are kept in memory: the newest entries, which readers at the end ask for again and again, and the ones
 * last read from disk, which a reader that catches up walks through.
 */
export class BatchIndex {
  private readonly engine: Engine
  private readonly number: number
  /** All entries with `last >= tailFrom`, in order: every commit since then is among them. */
  private tail: IndexEntry[] = []
  private tailFrom: number
  private window: Window = { entries: [], from: 0, to: 0 }
  private changes = 0

  /** `end`: where the partition goes on; nothing is stored at or above it. */
  constructor(engine: Engine, number: number, end: number) {
    this.engine = engine
    this.number = number
    this.tailFrom = end
  }

  /** Entries were written; in any order, as transactions end in any order. */
  added(entries: readonly IndexEntry[]): void {
    for (const entry of entries) insert(this.tail, entry)
  }

  /** Lets go of the oldest entries of the tail; those at or above `stable` stay, as earlier ones may still come. */
  trim(stable: number): void {
    let dropped = this.tail.length - WINDOW_ENTRIES
    while (dropped > 0 && this.tail[dropped - 1]!.base >= stable) dropped -= 1
    if (dropped <= 0) return
    this.tailFrom = this.tail[dropped - 1]!.last + 1
    this.tail = this.tail.slice(dropped)
  }

  /** The batch at `base` was rewritten, or removed. */
  replaced(base: number, entry: IndexEntry | null): void {
    this.changes += 1
    for (const list of [this.tail, this.window.entries]) {
      const at = list.findIndex((candidate) => candidate.base === base)
      if (at >= 0) list.splice(at, 1, ...(entry === null ? [] : [entry]))
    }
  }

  /** The first entries with `last >= from` and `base < to`, where everything below `to` is decided. */
  async list(from: number, to: number): Promise<IndexSlice> {
    if (from >= to) return { entries: [], upTo: to }
    if (from >= this.tailFrom) return { entries: slice(this.tail, from, to), upTo: to }
    const known = from >= this.window.from && from < this.window.to
    const window = known ? this.window : await this.readWindow(from, Math.min(to, this.tailFrom))
    return { entries: slice(window.entries, from, to), upTo: Math.min(window.to, to) }
  }

  private async readWindow(from: number, to: number): Promise<Window> {
    const changes = this.changes
    const [before, behind] = await Promise.all([
      this.engine.scan({ ...rangeOf.index(this.number, 0, from), limit: 1, reverse: true }),
      this.engine.scan({ ...rangeOf.index(this.number, from, to), limit: WINDOW_ENTRIES }),
    ])
    const found = [...before, ...behind].map((entry) => read.index(entry))
    const lastEnd = (found.at(-1)?.last ?? -1) + 1
    const window = {
      entries: found.filter((entry) => entry.last >= from),
      from,
      // Never in the middle of a batch, which would be listed twice then.
      to: behind.length === WINDOW_ENTRIES ? lastEnd : Math.max(to, lastEnd),
    }
    // Read beside a change it may be stale: good for one attempt, not to be kept.
    if (changes === this.changes) this.window = window
    return window
  }
}

function slice(list: readonly IndexEntry[], from: number, to: number): IndexEntry[] {
  const entries: IndexEntry[] = []
  for (let at = firstAtOrAbove(list, from); at < list.length && list[at]!.base < to; at += 1) {
    entries.push(list[at]!)
  }
  return entries
}

/** The first entry that reaches `offset`. */
function firstAtOrAbove(list: readonly IndexEntry[], offset: number): number {
  let low = 0
  let high = list.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (list[middle]!.last < offset) low = middle + 1
    else high = middle
  }
  return low
}

function insert(list: IndexEntry[], entry: IndexEntry): void {
  let at = list.length
  while (at > 0 && list[at - 1]!.base > entry.base) at -= 1
  list.splice(at, 0, entry)
}
