/**
 * Key-value stores against the plainest model of one: a map with times, copied where a unit may be taken back.
 * Commits and flushes take their time, memory is given back at any moment, processes end.
 */
import fc from 'fast-check'
import { expect } from 'vitest'
import type { Serde } from '../../src/serde/serde.ts'
import { Serdes } from '../../src/serde/serdes.ts'
import type { ManagedStore, StoreParts } from '../../src/state/managed-store.ts'
import type { KeyValueStore } from '../../src/state/state-store.ts'
import { codecs, StoreRig } from './store-rig.ts'

interface ModelEntry<K> {
  readonly key: K
  readonly value: number
  readonly timestampMs: number
}

const KEY_COUNT = 6
/** Texts whose order by UTF-16 units and by UTF-8 bytes differ, and an empty one. */
export const TEXT_KEYS = ['', 'a', 'aä', 'ä', '\uffff', '\u{1f600}']
export const BINARY_KEYS = ['', '00', '0001', '7f', '80', 'ff00'].map((hex) => Buffer.from(hex, 'hex'))

type UnitOp =
  | { readonly kind: 'get' | 'delete'; readonly key: number }
  | { readonly kind: 'put'; readonly key: number; readonly value: number }
  | { readonly kind: 'range'; readonly from: number | null; readonly to: number | null }

const keyNumber = fc.nat(KEY_COUNT - 1)
const unitOp: fc.Arbitrary<UnitOp> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('get' as const), key: keyNumber }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('delete' as const), key: keyNumber }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('put' as const), key: keyNumber, value: fc.nat(99) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('range' as const),
      from: fc.option(keyNumber),
      to: fc.option(keyNumber),
    }),
  },
)

/** One thing that happens. */
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('unit' as const),
      ops: fc.array(unitOp, { maxLength: 5 }),
      kept: fc.boolean(),
      stepMs: fc.integer({ min: -3, max: 6 }),
      watermarkLagMs: fc.nat(20),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('evict' as const), bytes: fc.constantFrom(0, 300, 900) }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        'prepare' as const,
        'committed' as const,
        'beginFlush' as const,
        'endFlush' as const,
      ),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constantFrom('settle' as const, 'check' as const, 'restart' as const) }),
  },
)
export type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

/** Histories of a store. */
export const histories = fc.array(step, { maxLength: 50 })

/** A store under test. */
type Store<K> = KeyValueStore<K, number> & ManagedStore

export interface ModelSpec<K> {
  readonly keys: readonly K[]
  readonly serde: Serde<K>
  readonly ttlMs: number | undefined
  readonly ranges: boolean
  makeStore(parts: StoreParts<K, number>): Store<K>
}

type Entries<K> = ReadonlyMap<string, ModelEntry<K>>

export class KeyValueModel<K> {
  readonly rig: StoreRig<Store<K>>
  /** Whether memory was given back at some time. */
  evicted = false
  /** Before the last restart, when everything was settled and had been asked for. */
  memoryBytesAtEnd = 0
  private readonly spec: ModelSpec<K>
  private entries = new Map<string, ModelEntry<K>>()
  private readonly inFlight: Entries<K>[] = []
  private committed: Entries<K> = new Map()
  private nowMs = 100
  /** Through which time things have been removed for good: behind the watermark of every record. */
  private closedThroughMs = -Infinity

  private constructor(rig: StoreRig<Store<K>>, spec: ModelSpec<K>) {
    this.rig = rig
    this.spec = spec
  }

  static async of<K>(spec: ModelSpec<K>): Promise<KeyValueModel<K>> {
    const rig = await StoreRig.with((parts) =>
      spec.makeStore({ ...parts, ...codecs(spec.serde, Serdes.json<number>()) }),
    )
    return new KeyValueModel(rig, spec)
  }

  /**
   * Works a history; every answer is the model's: of what a unit asks, of everything now and then (not after each
   * step, since asking brings into memory), and of everything after a last restart.
   */
  async run(steps: readonly Step[]): Promise<void> {
    for (const one of steps) await this.apply(one)
    await this.apply({ kind: 'settle' })
    this.checkAnswers()
    this.memoryBytesAtEnd = this.rig.store.memoryBytes
    await this.apply({ kind: 'restart' })
    this.checkAnswers()
  }

  /** Entries that the model has, also those that have expired. */
  get size(): number {
    return this.entries.size
  }

  private async apply(one: Step): Promise<void> {
    const { rig } = this
    switch (one.kind) {
      case 'unit':
        return this.work(one)
      case 'evict':
        this.evicted = true
        return rig.store.evict(one.bytes)
      case 'prepare':
        this.closedThroughMs = Math.max(this.closedThroughMs, rig.time.expiredThroughMs - 2)
        rig.store.expire(this.closedThroughMs)
        this.inFlight.push(new Map(this.entries))
        return rig.prepare()
      case 'committed':
        this.committed = this.inFlight.shift() ?? this.committed
        return rig.committed()
      case 'endFlush':
        await rig.endFlush()
        return this.checkBackend()
      case 'restart':
        this.inFlight.length = 0
        this.entries = new Map(this.committed)
        return rig.restart()
      case 'beginFlush':
        return rig.beginFlush()
      case 'check':
        return this.checkAnswers()
      case 'settle':
        for (const kind of ['endFlush', 'prepare'] as const) await this.apply({ kind })
        while (this.inFlight.length > 0) await this.apply({ kind: 'committed' })
        for (const kind of ['beginFlush', 'endFlush'] as const) await this.apply({ kind })
    }
  }

  private work({ ops, kept, stepMs, watermarkLagMs }: Extract<Step, { kind: 'unit' }>): void {
    const { time, transaction } = this.rig
    this.nowMs += stepMs
    time.timestampMs = this.nowMs
    time.expiredThroughMs = Math.max(this.closedThroughMs, this.nowMs - watermarkLagMs)
    const before = new Map(this.entries)
    transaction.begin()
    for (const op of ops) this.applyOp(op)
    if (kept) return
    transaction.rollback()
    this.entries = before
  }

  private applyOp(op: UnitOp): void {
    const { store } = this.rig
    if (op.kind === 'range') {
      if (this.spec.ranges) this.checkRange(op.from, op.to)
      return
    }
    const key = this.spec.keys[op.key]!
    if (op.kind === 'delete') {
      store.delete(key)
      this.entries.delete(this.idOf(key))
    }
    if (op.kind === 'put') {
      store.put(key, op.value)
      this.entries.set(this.idOf(key), { key, value: op.value, timestampMs: this.nowMs })
    }
    expect(store.get(key)).toBe(this.live(key)?.value)
  }

  private checkAnswers(): void {
    for (const key of this.spec.keys) expect(this.rig.store.get(key)).toBe(this.live(key)?.value)
    if (this.spec.ranges) this.checkRange(null, null)
  }

  private checkRange(from: number | null, to: number | null): void {
    const { keys } = this.spec
    const bound = (index: number | null) => (index === null ? undefined : this.idOf(keys[index]!))
    const [low, high] = [bound(from), bound(to)]
    const expected = [...this.entries]
      .filter(([id, { key }]) => this.live(key) !== undefined && (low === undefined || id >= low))
      .filter(([id]) => high === undefined || id < high)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, { key, value }]) => [key, value])
    const ends = [from, to].map((index) => (index === null ? undefined : keys[index]))
    expect([...this.rig.store.range(ends[0], ends[1])]).toEqual(expected)
  }

  private live(key: K): ModelEntry<K> | undefined {
    const entry = this.entries.get(this.idOf(key))
    const life = this.spec.ttlMs ?? Infinity
    return entry !== undefined && entry.timestampMs + life > this.rig.time.expiredThroughMs
      ? entry
      : undefined
  }

  /** A key's bytes, a character each. */
  private idOf(key: K): string {
    return Buffer.from(this.spec.serde.serialize(key)).toString('latin1')
  }

  private async checkBackend(): Promise<void> {
    const { found, expected } = await this.rig.backendContents()
    expect(found).toEqual(expected)
  }
}
