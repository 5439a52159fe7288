/**
 * The state stores as operators and users see them.
 *
 * What lives in `state/`: the stores, the undo journal of a record, the backends that keep state on disk or in memory,
 * and checkpoints. What never does: topics, offsets' meaning, event-time rules (a store is told the times it needs).
 *
 * All calls are synchronous. A store belongs to one task and is used by its record path only. A value that was put or
 * read must not be changed afterwards: put a new one instead (the TopologyTestDriver freezes values to find mistakes).
 * Everything written while a record is worked is undone when the record fails.
 */
export interface KeyValueStore<K, V> {
  readonly name: string
  /** The value, or `undefined` where there is none or it has expired. */
  get(key: K): V | undefined
  /** Writes a value; its time is that of the record being worked. */
  put(key: K, value: V): void
  /** Removes a key; a key that is not there is passed over. */
  delete(key: K): void
  /**
   * Entries with `from <= key < to` in the order of the keys' bytes, own uncommitted writes included; an end that is
   * not given is open. The store may be written while iterating; the iteration shows what was there when it began,
   * without entries deleted since. Throws `STORE_WITHOUT_RANGES` on a store declared with `ranges: false`.
   */
  range(from?: K, to?: K): Iterable<readonly [K, V]>
}

export interface WindowStore<K, V> {
  readonly name: string
  /** The value of the window that starts at `startMs`, or `undefined`; also where the window has closed. */
  fetch(key: K, startMs: number): V | undefined
  put(key: K, startMs: number, value: V): void
  delete(key: K, startMs: number): void
  /** The key's windows with `fromMs <= start < toMs`, earliest first. */
  fetchRange(key: K, fromMs: number, toMs: number): Iterable<readonly [number, V]>
}
