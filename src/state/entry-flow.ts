/**
 * The way of the entries of a store that is written entry by entry: into the changelog, in flight, to the backend. Each
 * key is written once per commit and once per flush, however often it changed; one that came and went in between is not
 * written at all.
 */
import { assert } from '../assert.ts'
import type { BackendWrite } from './backend.ts'
import { seal } from './envelope.ts'
import { backendPrefix } from './managed-store.ts'
import type { ChangelogSink, StoreEntry } from './store-entry.ts'

/** What the flow needs of its store. */
export interface FlowingStore {
  readonly name: string
  /** The entry's key as changelog and backend know it within this store. */
  keyBytes(entry: StoreEntry): Buffer
  encode(value: unknown): Buffer | string
  /** The entry's value now takes so many bytes encoded; to be kept in `encodedBytes`. */
  resize(entry: StoreEntry, encodedBytes: number): void
  /** An entry that holds nothing any more: memory may forget it. */
  forget(entry: StoreEntry): void
}

interface InFlightEntry {
  readonly entry: StoreEntry
  readonly value: unknown
  readonly timestampMs: number
}

export class EntryFlow {
  private readonly store: FlowingStore
  private readonly prefix: Buffer
  private preparing: InFlightEntry[] = []
  private readonly inFlight: InFlightEntry[][] = []
  private readonly toFlush = new Set<StoreEntry>()
  private flushing: StoreEntry[] = []

  constructor(store: FlowingStore) {
    this.store = store
    this.prefix = backendPrefix(store.name)
  }

  get flushCount(): number {
    return this.toFlush.size
  }

  prepare(entry: StoreEntry, sink: ChangelogSink): void {
    const { store } = this
    const { value, timestampMs } = entry
    if (value === undefined) {
      if (entry.inChangelog) sink(store.name, store.keyBytes(entry), null, timestampMs)
      entry.inChangelog = false
      store.resize(entry, 0)
    } else {
      const encoded = store.encode(value)
      store.resize(entry, encoded.length)
      entry.inChangelog = true
      sink(store.name, store.keyBytes(entry), encoded, timestampMs)
    }
    entry.inFlight++
    this.preparing.push({ entry, value, timestampMs })
  }

  endPrepare(): void {
    this.inFlight.push(this.preparing)
    this.preparing = []
  }

  committed(): void {
    const batch = this.inFlight.shift()
    assert(batch !== undefined, 'a commit is in flight')
    for (const { entry, value, timestampMs } of batch) {
      entry.inFlight--
      if (value === undefined && !entry.onDisk) {
        // The backend has never heard of it, and need not.
        this.toFlush.delete(entry)
        entry.flushPending = false
        entry.committed = undefined
        this.forgetEmpty(entry)
        continue
      }
      entry.committed = value
      entry.committedTimestampMs = timestampMs
      entry.flushPending = true
      this.toFlush.add(entry)
    }
  }

  takeFlush(writes: BackendWrite[]): void {
    assert(this.flushing.length === 0, 'one flush at a time')
    const entries = [...this.toFlush]
    this.toFlush.clear()
    for (const entry of entries) {
      entry.flushPending = false
      entry.inFlight++
      const key = Buffer.concat([this.prefix, this.store.keyBytes(entry)])
      const { committed } = entry
      const value =
        committed === undefined ? null : seal(key, entry.committedTimestampMs, this.store.encode(committed))
      writes.push({ key, value })
      entry.onDisk = committed !== undefined
      entry.committed = undefined
    }
    this.flushing = entries
  }

  flushed(): void {
    for (const entry of this.flushing) {
      entry.inFlight--
      this.forgetEmpty(entry)
    }
    this.flushing = []
  }

  /**
   * A unit was undone that had written the entry. One that it had made without knowing what the backend holds is
   * forgotten, so that the backend is asked again.
   */
  undone(entry: StoreEntry): void {
    this.forgetEmpty(entry)
  }

  private forgetEmpty(entry: StoreEntry): void {
    if (entry.value === undefined && entry.loaded && entry.isClean) this.store.forget(entry)
  }
}
