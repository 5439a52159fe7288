/**
 * A window store: for each open window a slice of entries in memory over a backend.
 *
 * A key in changelog and backend is `window start (8 bytes, big-endian) | key bytes`, so that windows lie one behind
 * the other and each in the order of its keys' bytes. Starts are never negative.
 *
 * The store of a windowed aggregation is closed window by window by the runtime (`entriesOf`, `takeOut`, `dropWindow`);
 * any other forgets its windows by itself when they have closed.
 */
import { assert } from '../assert.ts'
import type { BackendWrite } from './backend.ts'
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
import type { WindowStore } from './state-store.ts'
import { StoreEntry, type ChangelogSink, type JournaledEntry } from './store-entry.ts'
import { WindowSlices, type WindowSlice } from './window-slice.ts'

/** The arithmetic of the store's windows, as `TimeWindows` has it. */
export interface WindowGrid {
  readonly sizeMs: number
  readonly advanceMs: number
  closesAtMs(startMs: number): number
}

export interface WindowStoreOptions {
  readonly grid: WindowGrid
  /** Whether the runtime closes the windows of this store; else they expire by the record's time. */
  readonly closedByRuntime: boolean
}

const START_BYTES = 8

export class CachedWindowStore<K, V> implements WindowStore<K, V>, ManagedStore, FlowingStore {
  readonly name: string
  private readonly parts: StoreParts<K, V>
  private readonly grid: WindowGrid
  private readonly closedByRuntime: boolean
  private readonly slices = new WindowSlices<K, V>()
  private readonly prefix: Buffer
  private readonly flow: EntryFlow
  private heldBytes = 0
  private liveEntries = 0

  constructor(parts: StoreParts<K, V>, options: WindowStoreOptions) {
    this.name = parts.name
    this.parts = parts
    this.grid = options.grid
    this.closedByRuntime = options.closedByRuntime
    this.prefix = backendPrefix(parts.name)
    this.flow = new EntryFlow(this)
    parts.transaction.register(this)
  }

  fetch(key: K, startMs: number): V | undefined {
    if (this.isExpired(startMs)) return undefined
    const slice = this.slices.at(startMs)
    return slice === undefined ? undefined : this.find(slice, key)?.value
  }

  put(key: K, startMs: number, value: V): void {
    const { keys, time, transaction, freezeValues } = this.parts
    const text = keys.toText(key)
    checkEntrySize(this.parts, text, value)
    if (freezeValues) deepFreeze(value)
    const slice = this.slices.open(startMs)
    const entry = slice.entries.get(text) ?? this.add(slice, key, text, !slice.complete)
    transaction.write(entry, value, time.timestampMs)
  }

  delete(key: K, startMs: number): void {
    const slice = this.slices.at(startMs)
    const entry = slice === undefined ? undefined : this.find(slice, key)
    if (entry?.value !== undefined) this.takeOut(entry)
  }

  *fetchRange(key: K, fromMs: number, toMs: number): Iterable<readonly [number, V]> {
    for (const startMs of [...this.slices.starts]) {
      if (startMs < fromMs || startMs >= toMs) continue
      const value = this.fetch(key, startMs)
      if (value !== undefined) yield [startMs, value]
    }
  }

  /** Start of the earliest window that holds anything; `undefined` when none does. */
  get earliestStartMs(): number | undefined {
    return this.slices.earliestStartMs
  }

  /** Starts of the windows that hold anything, earliest first. */
  get openStartsMs(): readonly number[] {
    return this.slices.starts
  }

  /** Whether all of a window is in memory, as `entriesOf` needs it. */
  isLoaded(startMs: number): boolean {
    return this.slices.at(startMs)?.complete ?? true
  }

  /** Brings all of a window into memory. No flush may be under way: it could take what the scan has just read. */
  async loadWindow(startMs: number): Promise<void> {
    const slice = this.slices.at(startMs)
    if (slice === undefined || slice.complete) return
    const from = this.backendKeyOf(startMs, Buffer.alloc(0))
    const to = this.backendKeyOf(startMs + 1, Buffer.alloc(0))
    for await (const page of this.parts.backend.scan(from, to)) {
      for (const [backendKey, sealed] of page) this.loadInto(slice, backendKey, sealed)
    }
    slice.complete = true
  }

  /** The live entries of a window in the order of their keys' bytes. The window must be loaded. */
  entriesOf(startMs: number): readonly StoreEntry<K, V>[] {
    const slice = this.slices.at(startMs)
    if (slice === undefined) return []
    assert(slice.complete, 'a window is loaded before it closes')
    const live = [...slice.entries.values()].filter((entry) => entry.value !== undefined)
    return live.sort((a, b) => this.parts.keys.compare(a.text, b.text))
  }

  /** The bytes of an entry's key alone, as its serde writes it. */
  plainKey(entry: StoreEntry): Buffer {
    return this.parts.keys.toBytes(entry.text)
  }

  /** Deletes an entry, as part of the current transaction. */
  takeOut(entry: StoreEntry<K, V>): void {
    this.parts.transaction.write(entry, undefined, this.parts.time.timestampMs)
  }

  /** Forgets a window whose entries have all been taken out: it is no longer open. */
  dropWindow(startMs: number): void {
    this.slices.remove(startMs)
  }

  load(backendKey: Buffer, sealed: Buffer): void {
    const startMs = Number(backendKey.readBigUInt64BE(this.prefix.length))
    this.loadInto(this.slices.open(startMs), backendKey, sealed)
  }

  expire(expiredThroughMs: number): void {
    if (this.closedByRuntime) return
    for (const startMs of [...this.slices.starts]) {
      if (this.grid.closesAtMs(startMs) > expiredThroughMs) return
      const slice = this.slices.at(startMs)!
      // Windows that were given back in part stay until they are loaded; nobody can see them meanwhile.
      if (!slice.complete) continue
      for (const entry of this.entriesOf(startMs)) this.takeOut(entry)
      this.dropWindow(startMs)
    }
  }

  get memoryBytes(): number {
    return this.heldBytes
  }

  get entryCount(): number {
    return this.liveEntries
  }

  evict(targetBytes: number): void {
    for (const round of ['unused', 'any'] as const) {
      for (const slice of this.slices.values()) {
        for (const entry of slice.entries.values()) {
          if (this.heldBytes <= targetBytes) return
          if (!entry.isClean || (round === 'unused' && entry.touched)) {
            entry.touched = false
            continue
          }
          this.drop(slice, entry)
          slice.complete = false
        }
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
    const key = this.parts.keys.toBytes(entry.text)
    const bytes = Buffer.allocUnsafe(START_BYTES + key.length)
    bytes.writeBigUInt64BE(BigInt(entry.startMs))
    key.copy(bytes, START_BYTES)
    return bytes
  }

  encode(value: unknown): Buffer | string {
    return this.parts.values.serialize(value as V)
  }

  resize(entry: StoreEntry, encodedBytes: number): void {
    this.heldBytes += encodedBytes - entry.encodedBytes
    entry.encodedBytes = encodedBytes
  }

  forget(entry: StoreEntry): void {
    const slice = this.slices.at(entry.startMs)
    if (slice?.entries.get(entry.text) === entry) {
      this.drop(slice, entry as StoreEntry<K, V>)
      if (slice.entries.size === 0 && slice.complete) this.slices.remove(entry.startMs)
    } else {
      // Its window is closed; only the accounting is left.
      this.unaccount(entry)
    }
  }

  private find(slice: WindowSlice<K, V>, key: K): StoreEntry<K, V> | undefined {
    const text = this.parts.keys.toText(key)
    const entry = slice.entries.get(text)
    if (entry !== undefined) {
      entry.touched = true
      return entry
    }
    if (slice.complete) return undefined
    const found = new StoreEntry<K, V>(this, key, text, slice.startMs)
    loadValue(this.parts, found, this.backendKeyOf(slice.startMs, this.parts.keys.toBytes(text)))
    if (found.value === undefined) return undefined
    return this.enter(slice, found)
  }

  private add(slice: WindowSlice<K, V>, key: K, text: string, mayBeStored: boolean): StoreEntry<K, V> {
    const entry = new StoreEntry<K, V>(this, key, text, slice.startMs)
    entry.onDisk = mayBeStored
    entry.inChangelog = mayBeStored
    return this.enter(slice, entry)
  }

  private enter(slice: WindowSlice<K, V>, entry: StoreEntry<K, V>): StoreEntry<K, V> {
    slice.entries.set(entry.text, entry)
    this.heldBytes += costOf(entry)
    this.liveEntries++
    return entry
  }

  private loadInto(slice: WindowSlice<K, V>, backendKey: Buffer, sealed: Buffer): void {
    const { keys, values } = this.parts
    const key = keys.fromBytes(backendKey.subarray(this.prefix.length + START_BYTES))
    const text = keys.toText(key)
    // What is in memory is newer than what is stored.
    if (slice.entries.has(text)) return
    const { timestampMs, buffer, start } = unseal(backendKey, sealed)
    const entry = this.add(slice, key, text, true)
    entry.value = values.deserialize(buffer, start, buffer.length)
    entry.timestampMs = timestampMs
    this.resize(entry as StoreEntry, buffer.length - start)
  }

  private drop(slice: WindowSlice<K, V>, entry: StoreEntry<K, V>): void {
    slice.entries.delete(entry.text)
    this.unaccount(entry as StoreEntry)
  }

  private unaccount(entry: StoreEntry): void {
    this.heldBytes -= costOf(entry)
    this.liveEntries--
  }

  private isExpired(startMs: number): boolean {
    return !this.closedByRuntime && this.grid.closesAtMs(startMs) <= this.parts.time.expiredThroughMs
  }

  private backendKeyOf(startMs: number, key: Buffer): Buffer {
    const start = Buffer.allocUnsafe(START_BYTES)
    start.writeBigUInt64BE(BigInt(startMs))
    return Buffer.concat([this.prefix, start, key])
  }
}

function costOf(entry: StoreEntry): number {
  return ENTRY_OVERHEAD_BYTES + entry.text.length + entry.encodedBytes
}
