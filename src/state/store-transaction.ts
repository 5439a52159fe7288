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
 * committed, several commits at once: it may be behind the changelog, never ahead.
 */
import type { BackendWrite } from './backend.ts'
import type { ChangelogSink, EntryOwner, JournaledEntry } from './store-entry.ts'

export class StoreTransaction {
  private readonly stores: EntryOwner[] = []
  private dirty: JournaledEntry[] = []

  // The undo journal of the unit being worked: parallel arrays, so that a write allocates nothing, and counted instead
  // of emptied, since setting their lengths would cost more than the writes.
  private readonly undoEntries: JournaledEntry[] = []
  private readonly undoValues: unknown[] = []
  private readonly undoTimestamps: number[] = []
  private readonly undoDirty: boolean[] = []
  private readonly undoLoaded: boolean[] = []
  private undoCount = 0
  private dirtyMark = 0

  /** A store takes part; once, before its first write. */
  register(store: EntryOwner): void {
    this.stores.push(store)
  }

  /** Begins an undo unit. */
  begin(): void {
    this.undoCount = 0
    this.dirtyMark = this.dirty.length
  }

  /** Takes back everything written since `begin`. */
  rollback(): void {
    for (let index = this.undoCount - 1; index >= 0; index--) {
      const entry = this.undoEntries[index]!
      entry.value = this.undoValues[index]
      entry.timestampMs = this.undoTimestamps[index]!
      entry.dirty = this.undoDirty[index]!
      entry.loaded = this.undoLoaded[index]!
      entry.owner.undone(entry)
    }
    this.dirty.length = this.dirtyMark
    this.begin()
  }

  /** Writes an entry; `undefined` deletes. The only way an entry's value changes on the record path. */
  write(entry: JournaledEntry, value: unknown, timestampMs: number): void {
    const index = this.undoCount++
    this.undoEntries[index] = entry
    this.undoValues[index] = entry.value
    this.undoTimestamps[index] = entry.timestampMs
    this.undoDirty[index] = entry.dirty
    this.undoLoaded[index] = entry.loaded
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

  /** Changes that are committed and wait for a flush. */
  get flushCount(): number {
    let count = 0
    for (const store of this.stores) count += store.flushCount
    return count
  }

  /** Hands every change to the changelog and takes it in flight. Synchronous; begins a new set of writes. */
  prepare(sink: ChangelogSink): void {
    for (const entry of this.dirty) {
      entry.dirty = false
      entry.owner.prepare(entry, sink)
    }
    for (const store of this.stores) store.endPrepare(sink)
    this.dirty = []
    this.begin()
  }

  /** The oldest commit in flight has succeeded. */
  committed(): void {
    for (const store of this.stores) store.committed()
  }

  /**
   * The writes that bring the backend up to the newest commit. They stay in memory until `flushed` is called, which
   * has to come before the next `takeFlush`.
   */
  takeFlush(): readonly BackendWrite[] {
    const writes: BackendWrite[] = []
    for (const store of this.stores) store.takeFlush(writes)
    return writes
  }

  /** The backend has stored what `takeFlush` gave. */
  flushed(): void {
    for (const store of this.stores) store.flushed()
  }
}
