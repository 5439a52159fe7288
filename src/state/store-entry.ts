/**
 * One key of a store in memory. Everything written since the last commit lives here and nowhere else; what is
 * committed lives here until it is flushed to the backend.
 */
export class StoreEntry<K = unknown, V = unknown> {
  readonly owner: EntryOwner
  readonly key: K
  readonly text: string
  /** Window start; 0 in key-value stores. */
  readonly startMs: number
  /** The current value; `undefined` when the key is deleted, or when the value is not in memory (`loaded` false). */
  value: V | undefined = undefined
  timestampMs = 0
  loaded = true
  /** Changed since the last `prepare`; then the entry is in the transaction's list. */
  dirty = false
  /** Number of commits under way that contain this entry. */
  inFlight = 0
  /** Committed and not yet flushed; then the entry is in the flush list, with what to write. */
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
    this.owner = owner
    this.key = key
    this.text = text
    this.startMs = startMs
  }

  /** Whether memory holds nothing of this entry that is not also on disk. */
  get isClean(): boolean {
    return !this.dirty && !this.flushPending && this.inFlight === 0
  }
}

/** What an entry needs of its store. */
export interface EntryOwner {
  readonly name: string
  /** The entry's key as changelog and backend know it within this store. */
  keyBytes(entry: StoreEntry): Buffer
  encode(value: unknown): Buffer | string
  /** The entry's value now takes so many bytes encoded; to be kept in `encodedBytes`. */
  resize(entry: StoreEntry, encodedBytes: number): void
  /** An entry that holds nothing any more: memory may forget it. */
  forget(entry: StoreEntry): void
}
