/**
 * The writes of one task between two flushes, over all its stores.
 *
 * ```
 *   put/delete ──> dirty ──prepare──> in flight ──committed──> to be flushed ──flush──> backend
 *                   │ ^                   │
 *          undo of  │ │ next record       └─ commit failed: the task is closed and all memory dropped
 *        one record └─┘
 * ```
 *
 * Reads see the newest write (read-your-writes). Processing may go on while a commit is in flight: a further write
 * makes an entry dirty again, and what is in flight was encoded at `prepare`. The backend only ever gets what was
 * committed, several commits at once, each key once: it may be behind the changelog, never ahead.
 */
import { assert } from '../assert.ts'
import type { BackendWrite } from './backend.ts'
import { seal } from './envelope.ts'
import type { StoreEntry } from './store-entry.ts'

/** Takes an entry for the changelog; `value` null is a tombstone. */
export type ChangelogSink = (
  store: string,
  key: Buffer,
  value: Buffer | string | null,
  timestampMs: number,
) => void

interface InFlightEntry {
  readonly entry: StoreEntry
  readonly value: unknown
  readonly timestampMs: number
}

export class StoreTransaction {
  private dirty: StoreEntry[] = []
  private readonly inFlight: InFlightEntry[][] = []
  private toFlush: StoreEntry[] = []

  // The undo journal of the unit being worked: parallel arrays, so that a write allocates nothing.
  private readonly undoEntries: StoreEntry[] = []
  private readonly undoValues: unknown[] = []
  private readonly undoTimestamps: number[] = []
  private readonly undoDirty: boolean[] = []
  private readonly undoLoaded: boolean[] = []
  private dirtyMark = 0

  /** Begins an undo unit. */
  begin(): void {
    this.undoEntries.length = 0
    this.undoValues.length = 0
    this.undoTimestamps.length = 0
    this.undoDirty.length = 0
    this.undoLoaded.length = 0
    this.dirtyMark = this.dirty.length
  }

  /** Takes back everything written since `begin`. */
  rollback(): void {
    for (let index = this.undoEntries.length - 1; index >= 0; index--) {
      const entry = this.undoEntries[index]!
      entry.value = this.undoValues[index]
      entry.timestampMs = this.undoTimestamps[index]!
      entry.dirty = this.undoDirty[index]!
      entry.loaded = this.undoLoaded[index]!
      if (entry.value === undefined && entry.loaded && entry.isClean && !entry.onDisk)
        entry.owner.forget(entry)
    }
    this.dirty.length = this.dirtyMark
    this.begin()
  }

  /** Writes an entry; `undefined` deletes. The only way an entry's value changes on the record path. */
  write(entry: StoreEntry, value: unknown, timestampMs: number): void {
    this.undoEntries.push(entry)
    this.undoValues.push(entry.value)
    this.undoTimestamps.push(entry.timestampMs)
    this.undoDirty.push(entry.dirty)
    this.undoLoaded.push(entry.loaded)
    entry.value = value
    entry.timestampMs = timestampMs
    entry.loaded = true
    if (!entry.dirty) {
      entry.dirty = true
      this.dirty.push(entry)
    }
  }

  /** Entries written since the last `prepare`. */
  get dirtyCount(): number {
    return this.dirty.length
  }

  /** Entries that are committed and wait for a flush. */
  get flushCount(): number {
    return this.toFlush.length
  }

  /** Hands every dirty entry to the changelog and takes it in flight. Synchronous; begins a new set of writes. */
  prepare(sink: ChangelogSink): void {
    this.begin()
    const batch: InFlightEntry[] = []
    for (const entry of this.dirty) {
      entry.dirty = false
      const { owner, value, timestampMs } = entry
      if (value === undefined) {
        if (entry.inChangelog) sink(owner.name, owner.keyBytes(entry), null, timestampMs)
        entry.inChangelog = false
        owner.resize(entry, 0)
      } else {
        const encoded = owner.encode(value)
        owner.resize(entry, encoded.length)
        entry.inChangelog = true
        sink(owner.name, owner.keyBytes(entry), encoded, timestampMs)
      }
      entry.inFlight++
      batch.push({ entry, value, timestampMs })
    }
    this.dirty = []
    this.dirtyMark = 0
    this.inFlight.push(batch)
  }

  /** The oldest commit in flight has succeeded. */
  committed(): void {
    const batch = this.inFlight.shift()
    assert(batch !== undefined, 'a commit is in flight')
    for (const { entry, value, timestampMs } of batch) {
      entry.inFlight--
      entry.committed = value
      entry.committedTimestampMs = timestampMs
      if (!entry.flushPending) {
        entry.flushPending = true
        this.toFlush.push(entry)
      }
    }
  }

  /**
   * The writes that bring the backend up to the newest commit. Entries stay in memory until `flushed` is called with
   * the same answer. A deletion of what never reached the backend is left out.
   */
  takeFlush(backendKey: (entry: StoreEntry) => Buffer): FlushBatch {
    const entries = this.toFlush
    this.toFlush = []
    const writes: BackendWrite[] = []
    for (const entry of entries) {
      entry.flushPending = false
      entry.inFlight++
      if (entry.committed !== undefined) {
        const key = backendKey(entry)
        writes.push({
          key,
          value: seal(key, entry.committedTimestampMs, entry.owner.encode(entry.committed)),
        })
        entry.onDisk = true
      } else if (entry.onDisk) {
        writes.push({ key: backendKey(entry), value: null })
        entry.onDisk = false
      }
      entry.committed = undefined
    }
    return { entries, writes }
  }

  /** The backend has stored a flush. */
  flushed({ entries }: FlushBatch): void {
    for (const entry of entries) {
      entry.inFlight--
      if (entry.value === undefined && entry.loaded && entry.isClean) entry.owner.forget(entry)
    }
  }
}

/** Writes on their way to the backend, and the entries they came from. */
export interface FlushBatch {
  readonly entries: readonly StoreEntry[]
  readonly writes: readonly BackendWrite[]
}
