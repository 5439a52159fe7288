import type { BackendWrite } from './backend.ts'

/** What a unit of undo can take back of any entry: its value and time. */
export class JournaledEntry<V = unknown> {
  /** The current value; `undefined` when the key is deleted, or when the value is not in memory (`loaded` false). */
  value: V | undefined = undefined
  timestampMs = 0
  loaded = true
  /** Changed since the last `prepare`; then the entry is in the transaction's list. */
  dirty = false
  /** How the store of this entry writes what has changed. */
  readonly owner: EntryOwner

  constructor(owner: EntryOwner) {
    this.owner = owner
  }
}

/** One key of a store in memory that is written entry by entry. */
export class StoreEntry<K = unknown, V = unknown> extends JournaledEntry<V> {
  readonly key: K
  readonly text: string
  /** Window start; 0 in key-value stores. */
  readonly startMs: number
  /** Number of commits or flushes under way that contain this entry. */
  inFlight = 0
  /** Committed and not yet flushed; then the entry is in the store's flush set, with what to write. */
  flushPending = false
  committed: V | undefined = undefined
  committedTimestampMs = 0
  /** The changelog, or the backend, may hold this key: a deletion has to be written there. */
  inChangelog = false
  onDisk = false
  /** Used since the last sweep for memory. */
  touched = true
  /** Bytes of the value when it was last encoded. */
  encodedBytes = 0

  constructor(owner: EntryOwner, key: K, text: string, startMs: number) {
    super(owner)
    this.key = key
    this.text = text
    this.startMs = startMs
  }

  /** Whether memory holds nothing of this entry that is not also on disk. */
  get isClean(): boolean {
    return !this.dirty && !this.flushPending && this.inFlight === 0
  }
}

/** Takes what belongs into the changelog; `value` null is a tombstone. */
export type ChangelogSink = (
  store: string,
  key: Buffer,
  value: Buffer | string | null,
  timestampMs: number,
) => void

/** How a store writes its changes: towards the changelog at a commit, and towards the backend at a flush. */
export interface EntryOwner {
  readonly name: string
  /** An entry that has changed since the last commit, once per commit; what belongs into the changelog goes there. */
  prepare(entry: JournaledEntry, sink: ChangelogSink): void
  /** All changed entries have been told; ends the set of changes of this commit. */
  endPrepare(sink: ChangelogSink): void
  /** The oldest commit in flight has succeeded. */
  committed(): void
  /** Adds what the backend lacks of the newest commit. What is in memory stays until `flushed`. */
  takeFlush(writes: BackendWrite[]): void
  /** The backend has stored what `takeFlush` gave last. */
  flushed(): void
  /** Changes that are committed and wait for a flush. */
  readonly flushCount: number
  /** A unit was undone that had made this entry: memory may forget it. */
  undone(entry: JournaledEntry): void
}
