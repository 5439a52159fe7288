import type { StateBackend } from '../state/backend.ts'
import { CachedKeyValueStore } from '../state/cached-key-value-store.ts'
import { CachedWindowStore } from '../state/cached-window-store.ts'
import { ExpiringKeyValueStore } from '../state/expiring-key-value-store.ts'
import { splitBackendKey, type ManagedStore, type StoreParts } from '../state/managed-store.ts'
import type { KeyValueStore } from '../state/state-store.ts'
import type { RecordTime } from '../state/record-time.ts'
import { StoreTransaction } from '../state/store-transaction.ts'
import { CorruptedStateError } from '../errors.ts'
import type { StoreSpec } from '../topology/stores.ts'
import { keyCodecOf } from './key-codec.ts'

export interface TaskStoresSpec {
  readonly stores: readonly StoreSpec[]
  /** Names of the stores whose windows the task closes. */
  readonly closedByRuntime: ReadonlySet<string>
  readonly backend: StateBackend
  readonly time: RecordTime
  readonly maxEntryBytes: number
  readonly freezeValues: boolean
}

/** The stores of one task over its backend, and the transaction they share. */
export class TaskStores {
  readonly transaction = new StoreTransaction()
  private readonly backend: StateBackend
  private readonly keyValues = new Map<string, KeyValueStore<unknown, unknown>>()
  private readonly windows = new Map<string, CachedWindowStore<unknown, unknown>>()
  private readonly all = new Map<string, ManagedStore>()

  constructor(spec: TaskStoresSpec) {
    this.backend = spec.backend
    for (const store of spec.stores) this.addStore(store, spec)
  }

  get names(): readonly string[] {
    return [...this.all.keys()]
  }

  keyValueStore(name: string): KeyValueStore<unknown, unknown> {
    return required(this.keyValues, name)
  }

  windowStore(name: string): CachedWindowStore<unknown, unknown> {
    return required(this.windows, name)
  }

  /** Reads the whole backend into memory, checking every entry, and gives back what is above the budget. */
  async load(memoryBudgetBytes: number): Promise<void> {
    for await (const page of this.backend.scan()) {
      for (const [key, sealed] of page) {
        const place = splitBackendKey(key)
        const store = place === undefined ? undefined : this.all.get(place.store)
        if (store === undefined) {
          throw new CorruptedStateError(
            'STATE_DAMAGED',
            `an entry belongs to no store: ${key.toString('hex')}`,
          )
        }
        store.load(key, sealed)
      }
      if (this.memoryBytes > memoryBudgetBytes) this.evict(memoryBudgetBytes)
    }
  }

  get memoryBytes(): number {
    let bytes = 0
    for (const store of this.all.values()) bytes += store.memoryBytes
    return bytes
  }

  get entryCount(): number {
    let entries = 0
    for (const store of this.all.values()) entries += store.entryCount
    return entries
  }

  /** Forgets what has expired for every record to come. */
  expire(expiredThroughMs: number): void {
    for (const store of this.all.values()) store.expire(expiredThroughMs)
  }

  /** Gives back memory down to a bit below the budget, shared evenly among the stores that are above their share. */
  evict(budgetBytes: number): void {
    if (this.memoryBytes <= budgetBytes) return
    const share = (budgetBytes * 0.8) / this.all.size
    for (const store of this.all.values()) if (store.memoryBytes > share) store.evict(share)
  }

  /** Writes what is committed to the backend, with the checkpoint that belongs to it. */
  async flush(checkpoint: Buffer): Promise<void> {
    await this.backend.write(this.transaction.takeFlush(), checkpoint)
    this.transaction.flushed()
  }

  private addStore(store: StoreSpec, spec: TaskStoresSpec): void {
    const parts: StoreParts<unknown, unknown> = {
      name: store.name,
      keys: keyCodecOf(store.key),
      values: store.value,
      transaction: this.transaction,
      backend: spec.backend,
      time: spec.time,
      maxEntryBytes: spec.maxEntryBytes,
      freezeValues: spec.freezeValues,
    }
    if (store.kind === 'key-value') {
      const { ttlMs, ranges = true } = store
      const made =
        ttlMs === undefined
          ? new CachedKeyValueStore(parts, { ranges })
          : new ExpiringKeyValueStore(parts, { ttlMs, ranges })
      this.keyValues.set(store.name, made)
      this.all.set(store.name, made)
    } else {
      const closedByRuntime = spec.closedByRuntime.has(store.name)
      const made = new CachedWindowStore(parts, { grid: store.windows, closedByRuntime })
      this.windows.set(store.name, made)
      this.all.set(store.name, made)
    }
  }
}

function required<T>(map: ReadonlyMap<string, T>, name: string): T {
  const found = map.get(name)
  if (found === undefined) throw new Error(`there is no such store in this task: ${name}`)
  return found
}
