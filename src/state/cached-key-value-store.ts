/**
 * A key-value store: entries in memory over a backend.
 *
 * While all of the store fits into memory, a miss is answered from memory. When memory has to be given back, values
 * go first; with `ranges` the keys stay, else whole entries go and a miss asks the backend.
 */
import { MillraceError } from '../errors.ts'
import { EntryFlow, type FlowingStore } from './entry-flow.ts'
import { unseal } from './envelope.ts'
import {
  backendPrefix,
  checkEntrySize,
  deepFreeze,
  ENTRY_OVERHEAD_BYTES,
  loadValue,
  type ManagedStore,
  type StoreParts,
} from './managed-store.ts'
import { SortedTexts } from './sorted-texts.ts'
import type { KeyValueStore } from './state-store.ts'
import { StoreEntry, type ChangelogSink, type JournaledEntry } from './store-entry.ts'
import type { BackendWrite } from './backend.ts'

export interface KeyValueOptions {
  readonly ranges: boolean
}

export class CachedKeyValueStore<K, V> implements KeyValueStore<K, V>, ManagedStore, FlowingStore {
  readonly name: string
  private readonly parts: StoreParts<K, V>
  private readonly entries = new Map<string, StoreEntry<K, V>>()
  private readonly texts: SortedTexts | undefined
  private readonly flow: EntryFlow
  private readonly prefix: Buffer
  /** Whether every key of the store has an entry in memory. */
  private complete = true
  private heldBytes = 0
  private sweep = this.entries.values()

  constructor(parts: StoreParts<K, V>, options: KeyValueOptions) {
    this.name = parts.name
    this.parts = parts
    this.prefix = backendPrefix(parts.name)
    this.texts = options.ranges ? new SortedTexts((a, b) => parts.keys.compare(a, b)) : undefined
    this.flow = new EntryFlow(this)
    parts.transaction.register(this)
  }

  get(key: K): V | undefined {
    return this.find(key, this.parts.keys.toText(key))?.value
  }

  put(key: K, value: V): void {
    const { keys, time, transaction, freezeValues } = this.parts
    const text = keys.toText(key)
    checkEntrySize(this.parts, text, value)
    if (freezeValues) deepFreeze(value)
    const entry = this.entries.get(text) ?? this.add(key, text, !this.complete)
    transaction.write(entry, value, time.timestampMs)
  }

  delete(key: K): void {
    const entry = this.find(key, this.parts.keys.toText(key))
    if (entry?.value !== undefined) this.remove(entry)
  }

  *range(from?: K, to?: K): Iterable<readonly [K, V]> {
    if (this.texts === undefined) {
      throw new MillraceError('STORE_WITHOUT_RANGES', `store ${this.name} was declared with ranges: false`)
    }
    const { keys } = this.parts
    const texts = this.texts.between(
      from === undefined ? undefined : keys.toText(from),
      to === undefined ? undefined : keys.toText(to),
      (text) => this.entries.has(text),
    )
    for (const text of texts) {
      const entry = this.entries.get(text)
      if (entry === undefined) continue
      this.ensureLoaded(entry)
      if (entry.value !== undefined) yield [entry.key, entry.value]
    }
  }

  load(backendKey: Buffer, sealed: Buffer): void {
    const { keys, values } = this.parts
    const key = keys.fromBytes(backendKey.subarray(this.prefix.length))
    const { timestampMs, buffer, start } = unseal(backendKey, sealed)
    const entry = this.add(key, keys.toText(key), true)
    entry.value = values.deserialize(buffer, start, buffer.length)
    entry.timestampMs = timestampMs
    this.resize(entry as StoreEntry, buffer.length - start)
  }

  /** Nothing expires. */
  expire(_expiredThroughMs: number): void {}

  get memoryBytes(): number {
    return this.heldBytes
  }

  get entryCount(): number {
    return this.entries.size
  }

  evict(targetBytes: number): void {
    // Two rounds at most: the first may find everything recently used.
    for (let steps = 2 * this.entries.size; steps > 0 && this.heldBytes > targetBytes; steps--) {
      const entry = this.nextToSweep()
      if (entry === undefined) return
      if (!entry.isClean || !entry.loaded) continue
      if (entry.touched) {
        entry.touched = false
      } else if (this.texts !== undefined) {
        entry.value = undefined
        entry.loaded = false
        this.resize(entry as StoreEntry, 0)
      } else {
        this.entries.delete(entry.text)
        this.heldBytes -= costOf(entry)
        this.complete = false
      }
    }
  }

  prepare(entry: JournaledEntry, sink: ChangelogSink): void {
    this.flow.prepare(entry as StoreEntry, sink)
  }

  endPrepare(): void {
    this.flow.endPrepare()
  }

  committed(): void {
    this.flow.committed()
  }

  takeFlush(writes: BackendWrite[]): void {
    this.flow.takeFlush(writes)
  }

  flushed(): void {
    this.flow.flushed()
  }

  get flushCount(): number {
    return this.flow.flushCount
  }

  undone(entry: JournaledEntry): void {
    this.flow.undone(entry as StoreEntry)
  }

  keyBytes(entry: StoreEntry): Buffer {
    return this.parts.keys.toBytes(entry.text)
  }

  encode(value: unknown): Buffer | string {
    return this.parts.values.serialize(value as V)
  }

  resize(entry: StoreEntry, encodedBytes: number): void {
    this.heldBytes += encodedBytes - entry.encodedBytes
    entry.encodedBytes = encodedBytes
  }

  forget(entry: StoreEntry): void {
    if (this.entries.delete(entry.text)) this.heldBytes -= costOf(entry)
  }

  private find(key: K, text: string): StoreEntry<K, V> | undefined {
    const entry = this.entries.get(text)
    if (entry !== undefined) {
      entry.touched = true
      this.ensureLoaded(entry)
      return entry
    }
    if (this.complete) return undefined
    const found = new StoreEntry<K, V>(this, key, text, 0)
    loadValue(this.parts, found, this.backendKey(found))
    if (found.value === undefined) return undefined
    this.entries.set(text, found)
    this.heldBytes += costOf(found)
    return found
  }

  private add(key: K, text: string, mayBeStored: boolean): StoreEntry<K, V> {
    const entry = new StoreEntry<K, V>(this, key, text, 0)
    entry.onDisk = mayBeStored
    entry.inChangelog = mayBeStored
    this.entries.set(text, entry)
    this.texts?.add(text)
    this.heldBytes += costOf(entry)
    return entry
  }

  private remove(entry: StoreEntry<K, V>): void {
    this.parts.transaction.write(entry, undefined, this.parts.time.timestampMs)
  }

  private ensureLoaded(entry: StoreEntry<K, V>): void {
    if (entry.loaded) return
    loadValue(this.parts, entry, this.backendKey(entry))
    this.heldBytes += entry.encodedBytes
  }

  /** The next entry in the order of insertion, round and round. */
  private nextToSweep(): StoreEntry<K, V> | undefined {
    const next = this.sweep.next()
    if (!next.done) return next.value
    this.sweep = this.entries.values()
    return this.sweep.next().value
  }

  private backendKey(entry: StoreEntry<K, V>): Buffer {
    return Buffer.concat([this.prefix, this.parts.keys.toBytes(entry.text)])
  }
}

function costOf(entry: StoreEntry): number {
  return ENTRY_OVERHEAD_BYTES + entry.text.length + entry.encodedBytes
}
