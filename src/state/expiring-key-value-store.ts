/**
 * A key-value store whose entries have a life in event time: all that live are in memory, and changelog and backend get
 * them in chunks.
 *
 * A chunk holds what one commit changed among the entries that expire together; it is written once and deleted as a
 * whole when all in it has expired. So an entry costs a few bytes in a chunk instead of a record, a tombstone, a write
 * and a deletion of its own, which for a store of seen event ids is nearly all the work there is.
 *
 * The key of a chunk is `expiry bucket (8 bytes) | sequence (8 bytes)`, big-endian. A key that is written again stands
 * in several chunks; the one with the highest sequence counts. So that this one is never deleted before the others,
 * an entry's bucket never falls, even when a later write has an earlier time.
 */
import { MillraceError } from '../errors.ts'
import type { BackendWrite } from './backend.ts'
import { ChunkReader, ChunkWriter } from './chunk.ts'
import { seal, unseal } from './envelope.ts'
import {
  backendPrefix,
  checkEntrySize,
  deepFreeze,
  type ManagedStore,
  type StoreParts,
} from './managed-store.ts'
import { SortedTexts } from './sorted-texts.ts'
import type { KeyValueStore } from './state-store.ts'
import { JournaledEntry, type ChangelogSink, type EntryOwner } from './store-entry.ts'

const BUCKETS_PER_LIFE = 8
/** Memory of an entry besides key text and value, as measured on Node 20. */
const ENTRY_BYTES = 180
/** Chunks are begun anew above this size, if the changelog takes that much. */
const CHUNK_BYTES = 128 * 1024

class ExpiringEntry<K, V> extends JournaledEntry<V> {
  readonly key: K
  readonly text: string
  bucket = -1
  /** Sequence of the chunk it was loaded from; 0 for one that was not. */
  sequence = 0n

  constructor(owner: EntryOwner, key: K, text: string) {
    super(owner)
    this.key = key
    this.text = text
  }
}

interface Bucket<K, V> {
  readonly entries: ExpiringEntry<K, V>[]
  /** Keys of the chunks that changelog or backend hold, as hexadecimal text. */
  readonly chunks: Set<string>
}

export interface ExpiringOptions {
  readonly ttlMs: number
  readonly ranges: boolean
}

export class ExpiringKeyValueStore<K, V> implements KeyValueStore<K, V>, ManagedStore {
  readonly name: string
  private readonly parts: StoreParts<K, V>
  private readonly ttlMs: number
  private readonly bucketMs: number
  private readonly prefix: Buffer
  private readonly texts: SortedTexts | undefined
  private readonly entries = new Map<string, ExpiringEntry<K, V>>()
  private readonly buckets = new Map<number, Bucket<K, V>>()
  private readonly writers = new Map<number, ChunkWriter>()
  private sequence = 0n
  /** Chunks of the commit being prepared, of commits in flight, and those committed that wait for a flush. */
  private preparing = new Map<string, Buffer | null>()
  private readonly inFlight: Map<string, Buffer | null>[] = []
  private readonly toFlush = new Map<string, Buffer | null>()
  private readonly onDisk = new Set<string>()

  constructor(parts: StoreParts<K, V>, options: ExpiringOptions) {
    this.name = parts.name
    this.parts = parts
    this.ttlMs = options.ttlMs
    this.bucketMs = Math.max(1, Math.ceil(options.ttlMs / BUCKETS_PER_LIFE))
    this.prefix = backendPrefix(parts.name)
    this.texts = options.ranges ? new SortedTexts((a, b) => parts.keys.compare(a, b)) : undefined
    parts.transaction.register(this)
  }

  get(key: K): V | undefined {
    const entry = this.entries.get(this.parts.keys.toText(key))
    return entry === undefined || this.isExpired(entry) ? undefined : entry.value
  }

  put(key: K, value: V): void {
    const { keys, time, transaction, freezeValues } = this.parts
    const text = keys.toText(key)
    checkEntrySize(this.parts, text, value)
    if (freezeValues) deepFreeze(value)
    const entry = this.entries.get(text) ?? this.add(key, text)
    transaction.write(entry, value, time.timestampMs)
    this.place(entry, time.timestampMs)
  }

  delete(key: K): void {
    const entry = this.entries.get(this.parts.keys.toText(key))
    if (entry?.value === undefined) return
    this.parts.transaction.write(entry, undefined, this.parts.time.timestampMs)
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
      if (entry?.value !== undefined && !this.isExpired(entry)) yield [entry.key, entry.value]
    }
  }

  load(backendKey: Buffer, sealed: Buffer): void {
    const chunk = backendKey.subarray(this.prefix.length)
    const bucket = Number(chunk.readBigInt64BE(0))
    const sequence = chunk.readBigUInt64BE(8)
    if (sequence > this.sequence) this.sequence = sequence
    const name = chunk.toString('hex')
    this.bucketAt(bucket).chunks.add(name)
    this.onDisk.add(name)
    const { buffer, start } = unseal(backendKey, sealed)
    const reader = new ChunkReader(buffer, start)
    while (reader.next()) this.loadEntry(reader, buffer, bucket, sequence)
  }

  /** Forgets whole buckets: everything in them has expired for every record to come. */
  expire(expiredThroughMs: number): void {
    for (const [index, bucket] of this.buckets) {
      if ((index + 1) * this.bucketMs - 1 + this.ttlMs > expiredThroughMs) continue
      this.buckets.delete(index)
      for (const entry of bucket.entries) {
        if (entry.bucket === index) this.entries.delete(entry.text)
      }
      for (const chunk of bucket.chunks) this.preparing.set(chunk, null)
    }
  }

  get memoryBytes(): number {
    return this.entries.size * ENTRY_BYTES
  }

  get entryCount(): number {
    return this.entries.size
  }

  /** Entries that live are always in memory. */
  evict(_targetBytes: number): void {}

  prepare(entry: JournaledEntry): void {
    const { text, value, timestampMs, bucket } = entry as ExpiringEntry<K, V>
    // It expired while it was waiting for the commit.
    if (!this.buckets.has(bucket)) return
    const { keys, values } = this.parts
    const writer = this.writers.get(bucket) ?? new ChunkWriter()
    this.writers.set(bucket, writer)
    const key = keys.toWritten(text)
    const encoded = value === undefined ? null : values.serialize(value)
    // So that no chunk is larger than a single entry may be.
    const after = writer.byteLength + (key.length + (encoded?.length ?? 0)) * 3
    if (after > Math.min(CHUNK_BYTES, this.parts.maxEntryBytes)) this.endChunk(bucket, writer)
    writer.add(key, timestampMs, encoded)
  }

  endPrepare(sink: ChangelogSink): void {
    for (const [bucket, writer] of this.writers) this.endChunk(bucket, writer)
    this.writers.clear()
    for (const [name, chunk] of this.preparing) {
      const key = Buffer.from(name, 'hex')
      sink(this.name, key, chunk, this.expiryOf(key))
    }
    this.inFlight.push(this.preparing)
    this.preparing = new Map()
  }

  committed(): void {
    for (const [name, chunk] of this.inFlight.shift()!) {
      // A chunk that came and went between two flushes never reaches the backend.
      if (chunk === null && !this.onDisk.has(name)) this.toFlush.delete(name)
      else this.toFlush.set(name, chunk)
    }
  }

  takeFlush(writes: BackendWrite[]): void {
    for (const [name, chunk] of this.toFlush) {
      const chunkKey = Buffer.from(name, 'hex')
      const key = Buffer.concat([this.prefix, chunkKey])
      writes.push({ key, value: chunk === null ? null : seal(key, this.expiryOf(chunkKey), chunk) })
      if (chunk === null) this.onDisk.delete(name)
      else this.onDisk.add(name)
    }
    this.toFlush.clear()
  }

  flushed(): void {}

  get flushCount(): number {
    return this.toFlush.size
  }

  /** An entry that the unit had made stays, without a value, until its bucket expires. */
  undone(_entry: JournaledEntry): void {}

  private loadEntry(reader: ChunkReader, buffer: Buffer, bucket: number, sequence: bigint): void {
    const { keys, values } = this.parts
    const key = keys.fromBytes(buffer.subarray(reader.keyStart, reader.keyEnd))
    const text = keys.toText(key)
    const entry = this.entries.get(text) ?? this.add(key, text)
    if (bucket > entry.bucket) {
      entry.bucket = bucket
      this.bucketAt(bucket).entries.push(entry)
    }
    if (sequence <= entry.sequence) return
    entry.sequence = sequence
    entry.timestampMs = reader.timestampMs
    entry.value =
      reader.valueEnd < 0 ? undefined : values.deserialize(buffer, reader.valueStart, reader.valueEnd)
  }

  private add(key: K, text: string): ExpiringEntry<K, V> {
    const entry = new ExpiringEntry<K, V>(this, key, text)
    this.entries.set(text, entry)
    this.texts?.add(text)
    return entry
  }

  private place(entry: ExpiringEntry<K, V>, timestampMs: number): void {
    const bucket = Math.floor(timestampMs / this.bucketMs)
    if (bucket <= entry.bucket && this.buckets.has(entry.bucket)) return
    entry.bucket = Math.max(bucket, entry.bucket)
    this.bucketAt(entry.bucket).entries.push(entry)
  }

  private bucketAt(index: number): Bucket<K, V> {
    let bucket = this.buckets.get(index)
    if (bucket === undefined) {
      bucket = { entries: [], chunks: new Set() }
      this.buckets.set(index, bucket)
    }
    return bucket
  }

  private endChunk(bucket: number, writer: ChunkWriter): void {
    if (writer.isEmpty) return
    this.sequence++
    const key = Buffer.allocUnsafe(16)
    key.writeBigInt64BE(BigInt(bucket), 0)
    key.writeBigUInt64BE(this.sequence, 8)
    const name = key.toString('hex')
    this.bucketAt(bucket).chunks.add(name)
    this.preparing.set(name, writer.take())
  }

  /** The last moment of a chunk's bucket. */
  private expiryOf(chunkKey: Buffer): number {
    return (Number(chunkKey.readBigInt64BE(0)) + 1) * this.bucketMs - 1
  }

  private isExpired(entry: ExpiringEntry<K, V>): boolean {
    return entry.timestampMs + this.ttlMs <= this.parts.time.expiredThroughMs
  }
}
