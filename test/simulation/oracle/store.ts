/** State of the oracle: maps whose changes can be taken back until a record is done. */

/** What to do to take back the changes of the record being worked, the last one first. */
export class UndoLog {
  private readonly steps: (() => void)[] = []

  /** Remembers how to take a change back. */
  add(step: () => void): void {
    this.steps.push(step)
  }

  /** Keeps the changes for good. */
  keep(): void {
    this.steps.length = 0
  }

  /** Takes all changes back. */
  takeBack(): void {
    while (this.steps.length > 0) this.steps.pop()!()
  }

  /** Sets a map's entry. */
  set<K, V>(map: Map<K, V>, key: K, value: V): void {
    const had = map.has(key)
    const before = map.get(key) as V
    this.add(() => (had ? map.set(key, before) : map.delete(key)))
    map.set(key, value)
  }

  /** Removes a map's entry. */
  delete<K, V>(map: Map<K, V>, key: K): void {
    const before = map.get(key)
    if (before === undefined) return
    this.add(() => map.set(key, before))
    map.delete(key)
  }
}

/** A value and the event time of the record that wrote it. */
export interface StoreEntry {
  readonly value: unknown
  readonly timeMs: number
}

/** A key-value store: entries live until a record's watermark has reached their time plus `ttlMs`. */
export interface OracleStore {
  readonly entries: Map<string, StoreEntry>
  readonly ttlMs: number
}

/** The value of a key as a record with this watermark sees it. */
export function readStore(store: OracleStore, key: string, watermarkMs: number): unknown {
  const entry = store.entries.get(key)
  return entry === undefined || isGone(store, entry, watermarkMs) ? undefined : entry.value
}

/** The keys that a record with this watermark sees. */
export function liveKeys(store: OracleStore, watermarkMs: number): readonly string[] {
  const keys: string[] = []
  for (const [key, entry] of store.entries) if (!isGone(store, entry, watermarkMs)) keys.push(key)
  return keys
}

function isGone(store: OracleStore, entry: StoreEntry, watermarkMs: number): boolean {
  return entry.timeMs + store.ttlMs <= watermarkMs
}
