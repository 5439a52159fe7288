/**
 * Stores over a backend in memory with all that a task does around them: undo units, commits that take their time,
 * flushes that take their time, restarts. Keeps the changelog, and what stood in it at each commit.
 */
import type { Serde } from '../../src/serde/serde.ts'
import type { BackendWrite, StateBackend } from '../../src/state/backend.ts'
import { seal, unseal } from '../../src/state/envelope.ts'
import { backendPrefix, type ManagedStore, type StoreParts } from '../../src/state/managed-store.ts'
import { MemoryStateDirectory } from '../../src/state/memory-directory.ts'
import { StoreTransaction } from '../../src/state/store-transaction.ts'
import { keyCodecOf } from '../../src/runtime/key-codec.ts'

/** The store's name in all rigs. */
export const STORE = 'store'
const TASK = '0_0'

/** A changelog's content, or a backend's: what an entry is by its key, both as texts. */
export type Content = ReadonlyMap<string, string>

export interface ChangelogRecord {
  /** The key's bytes as latin1 text. */
  readonly key: string
  /** Time and value as text; `null` is a tombstone. */
  readonly value: string | null
}

export interface RigOptions {
  readonly maxEntryBytes?: number
  readonly freezeValues?: boolean
}

export class StoreRig<S extends ManagedStore> {
  readonly time = { timestampMs: 0, expiredThroughMs: -Infinity }
  readonly changelog: ChangelogRecord[] = []
  /** Tombstones for keys that the changelog did not hold. */
  needlessTombstones = 0
  store!: S
  transaction!: StoreTransaction
  backend!: StateBackend
  private directory = new MemoryStateDirectory()
  private readonly makeStore: (parts: Omit<StoreParts<never, never>, 'keys' | 'values'>) => S
  private readonly options: RigOptions
  /** The changelog after all that was prepared, and after what has been committed. */
  private prepared = new Map<string, string>()
  private committedContent: Content = new Map()
  private readonly inFlight: Content[] = []
  private flushing: { readonly writes: readonly BackendWrite[]; readonly content: Content } | undefined
  /** What the backend has to hold. */
  private flushedContent: Content = new Map()

  constructor(makeStore: StoreRig<S>['makeStore'], options: RigOptions = {}) {
    this.makeStore = makeStore
    this.options = options
  }

  /** A rig with an empty store; the way to make one. */
  static async with<S extends ManagedStore>(
    makeStore: StoreRig<S>['makeStore'],
    options?: RigOptions,
  ): Promise<StoreRig<S>> {
    const rig = new StoreRig(makeStore, options)
    await rig.open()
    return rig
  }

  prepare(): void {
    this.transaction.prepare((_store, key, value, timestampMs) => {
      const text = key.toString('latin1')
      const written = value === null ? null : entryText(timestampMs, Buffer.from(value))
      this.changelog.push({ key: text, value: written })
      if (written !== null) this.prepared.set(text, written)
      else if (!this.prepared.delete(text)) this.needlessTombstones++
    })
    this.inFlight.push(new Map(this.prepared))
  }

  /** The oldest commit in flight succeeds; nothing where none is. */
  committed(): void {
    const content = this.inFlight.shift()
    if (content === undefined) return
    this.transaction.committed()
    this.committedContent = content
  }

  /** Takes what is committed on its way to the backend; nothing where a flush is under way. */
  beginFlush(): void {
    this.flushing ??= { writes: this.transaction.takeFlush(), content: this.committedContent }
  }

  async endFlush(): Promise<void> {
    if (this.flushing === undefined) return
    const { writes, content } = this.flushing
    await this.backend.write(writes, Buffer.from('checkpoint'))
    this.transaction.flushed()
    this.flushedContent = content
    this.flushing = undefined
  }

  /** Everything up to the backend. */
  async commitAndFlush(): Promise<void> {
    await this.endFlush()
    this.prepare()
    while (this.inFlight.length > 0) this.committed()
    this.beginFlush()
    await this.endFlush()
  }

  /** What the backend holds, and what it should: the changelog up to the commit that was flushed last. */
  async backendContents(): Promise<{ readonly found: Content; readonly expected: Content }> {
    const found = new Map<string, string>()
    const prefix = backendPrefix(STORE)
    for await (const page of this.backend.scan()) {
      for (const [key, sealed] of page) {
        const { timestampMs, buffer, start } = unseal(key, sealed)
        found.set(key.toString('latin1', prefix.length), entryText(timestampMs, buffer.subarray(start)))
      }
    }
    return { found, expected: this.flushedContent }
  }

  /** The process ends; the next one begins with what the changelog has of the last commit, and nothing else. */
  async restart(): Promise<void> {
    this.directory = new MemoryStateDirectory()
    const backend = await this.directory.open(TASK)
    const writes = [...this.committedContent].map(([text, written]) => {
      const key = Buffer.concat([backendPrefix(STORE), Buffer.from(text, 'latin1')])
      const { timestampMs, value } = parseEntryText(written)
      return { key, value: seal(key, timestampMs, value) }
    })
    await backend.write(writes, Buffer.from('restored'))
    await backend.close()
    this.flushedContent = this.committedContent
    this.prepared = new Map(this.committedContent)
    this.inFlight.length = 0
    this.flushing = undefined
    await this.open()
  }

  private async open(): Promise<void> {
    this.backend = await this.directory.open(TASK)
    this.transaction = new StoreTransaction()
    this.store = this.makeStore({
      name: STORE,
      transaction: this.transaction,
      backend: this.backend,
      time: this.time,
      maxEntryBytes: this.options.maxEntryBytes ?? 10_000,
      freezeValues: this.options.freezeValues ?? true,
    })
    for await (const page of this.backend.scan()) {
      for (const [key, sealed] of page) this.store.load(key, sealed)
    }
  }
}

/** Codecs of a store, of serdes. */
export function codecs<K, V>(key: Serde<K>, value: Serde<V>): Pick<StoreParts<K, V>, 'keys' | 'values'> {
  return { keys: keyCodecOf(key), values: value }
}

function entryText(timestampMs: number, value: Buffer): string {
  return `${timestampMs}@${value.toString('latin1')}`
}

function parseEntryText(text: string): { readonly timestampMs: number; readonly value: Buffer } {
  const end = text.indexOf('@')
  return { timestampMs: Number(text.slice(0, end)), value: Buffer.from(text.slice(end + 1), 'latin1') }
}
