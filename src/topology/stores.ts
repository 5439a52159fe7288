/** Declarations of state stores, for `process` and `StreamsBuilder.addStateStore`. */
import type { Serde } from '../serde/serde.ts'
import type { TimeWindows } from '../time/windows.ts'

/** A key-value store with a changelog. */
export interface KeyValueStoreSpec<K = unknown, V = unknown> {
  readonly kind: 'key-value'
  /** Unique in the topology; names the changelog topic. */
  readonly name: string
  readonly key: Serde<K>
  readonly value: Serde<V>
  /**
   * Event-time life of an entry: it is gone for a record whose own watermark is at or past the entry's time plus
   * `ttlMs`. Removed physically later, which nobody can see. All that live are kept in memory.
   */
  readonly ttlMs?: number
  /** Whether `range` may be called; keeps all keys in memory. Default true. */
  readonly ranges?: boolean
}

/** A store of values per key and window, with a changelog. A window's values are gone when the window has closed. */
export interface WindowStoreSpec<K = unknown, V = unknown> {
  readonly kind: 'window'
  readonly name: string
  readonly key: Serde<K>
  readonly value: Serde<V>
  readonly windows: TimeWindows
}

export type StoreSpec = KeyValueStoreSpec | WindowStoreSpec

/** Makes store declarations. */
export const Stores = {
  keyValueStore<K, V>(spec: Omit<KeyValueStoreSpec<K, V>, 'kind'>): KeyValueStoreSpec<K, V> {
    return { kind: 'key-value', ...spec }
  },
  windowStore<K, V>(spec: Omit<WindowStoreSpec<K, V>, 'kind'>): WindowStoreSpec<K, V> {
    return { kind: 'window', ...spec }
  },
} as const

/** A store declaration whose types no longer matter to the topology. */
export function eraseStore<K, V>(spec: KeyValueStoreSpec<K, V> | WindowStoreSpec<K, V>): StoreSpec {
  return spec as unknown as StoreSpec
}
