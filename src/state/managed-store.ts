/**
 * What the task does with a store besides reading and writing: bring it into memory, forget what has expired, give
 * memory back.
 */
import { RecordError } from '../errors.ts'
import type { StateBackend } from './backend.ts'
import type { KeyCodec, ValueCodec } from './codec.ts'
import type { RecordTime } from './record-time.ts'
import type { EntryOwner, StoreEntry } from './store-entry.ts'
import type { StoreTransaction } from './store-transaction.ts'
import { unseal } from './envelope.ts'

export interface ManagedStore extends EntryOwner {
  /** Takes an entry found on disk into memory when the task starts. `key` and `sealed` as the backend had them. */
  load(key: Buffer, sealed: Buffer): void
  /** Deletes what expired at or before this time; nobody can see the difference. */
  expire(expiredThroughMs: number): void
  /** Bytes held in memory, roughly. */
  readonly memoryBytes: number
  /** Gives back memory until at most `targetBytes` are held, as far as entries are clean. */
  evict(targetBytes: number): void
  /** Live entries, as far as they are known in memory. */
  readonly entryCount: number
}

/** What every store is made of. */
export interface StoreParts<K, V> {
  readonly name: string
  readonly keys: KeyCodec<K>
  readonly values: ValueCodec<V>
  readonly transaction: StoreTransaction
  readonly backend: StateBackend
  readonly time: RecordTime
  /** Largest key and value together that the changelog takes. */
  readonly maxEntryBytes: number
  /** For tests: makes a put value unchangeable, so that code that changes it later is found. */
  readonly freezeValues: boolean
}

/** Memory of an entry besides key text and value, as measured on Node 20. */
export const ENTRY_OVERHEAD_BYTES = 220

/** A store's keys in the backend begin with its name and a zero byte. */
export function backendPrefix(store: string): Buffer {
  return Buffer.from(`${store}\0`)
}

/** The first key behind all keys of a store. */
export function backendPrefixEnd(store: string): Buffer {
  return Buffer.from(`${store}\x01`)
}

/** The store that a backend key belongs to, and the key within it; `undefined` for a key that is no store's. */
export function splitBackendKey(key: Buffer): { readonly store: string; readonly key: Buffer } | undefined {
  const end = key.indexOf(0)
  return end <= 0 ? undefined : { store: key.toString('utf8', 0, end), key: key.subarray(end + 1) }
}

/**
 * Refuses a value that the changelog would refuse, while the record that wrote it can still be undone. The bound spares
 * encoding; where it does not settle the matter, the value is encoded to know.
 */
export function checkEntrySize<K, V>(parts: StoreParts<K, V>, keyText: string, value: V): void {
  const room = parts.maxEntryBytes - keyText.length * 3
  const bound = parts.values.sizeBound?.(value)
  if (bound !== undefined && bound <= room) return
  const encoded = parts.values.serialize(value)
  const bytes = typeof encoded === 'string' ? Buffer.byteLength(encoded) : encoded.length
  const total = bytes + parts.keys.toBytes(keyText).length
  if (total > parts.maxEntryBytes) {
    throw new RecordError(
      'CHANGELOG_ENTRY_TOO_LARGE',
      `store ${parts.name}: an entry of ${total} bytes is larger than ` +
        `the ${parts.maxEntryBytes} bytes the changelog takes`,
    )
  }
}

/** Reads an entry's value from the backend into memory; the entry stays without value where there is none. */
export function loadValue<K, V>(parts: StoreParts<K, V>, entry: StoreEntry<K, V>, backendKey: Buffer): void {
  const sealed = parts.backend.getSync(backendKey)
  entry.loaded = true
  if (sealed === undefined) return
  const { timestampMs, buffer, start } = unseal(backendKey, sealed)
  entry.value = parts.values.deserialize(buffer, start, buffer.length)
  entry.timestampMs = timestampMs
  entry.encodedBytes = buffer.length - start
  entry.onDisk = true
  entry.inChangelog = true
}

/** Makes a value and everything in it unchangeable. */
export function deepFreeze(value: unknown): void {
  freezeParts(value, new Set())
}

/** `seen` ends circles; being frozen does not, since what lies behind a frozen object need not be. */
function freezeParts(value: unknown, seen: Set<object>): void {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || seen.has(value)) return
  seen.add(value)
  Object.freeze(value)
  for (const part of Object.values(value)) freezeParts(part, seen)
}
