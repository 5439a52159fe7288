/**
 * Window stores against the plainest model of one: a map of maps, copied where a unit may be taken back. Commits and
 * flushes take their time, memory is given back at any moment, windows close, processes end.
 */
import fc from 'fast-check'
import { expect } from 'vitest'
import { Serdes } from '../../src/serde/serdes.ts'
import { CachedWindowStore } from '../../src/state/cached-window-store.ts'
import { TimeWindows } from '../../src/time/windows.ts'
import { codecs, StoreRig } from './store-rig.ts'

const KEYS = ['', 'a', 'ä', '\uffff', '\u{1f600}']
const WINDOWS = TimeWindows.ofSizeAndGrace(10, 2).advanceBy(5)
const STARTS = [0, 5, 10, 15, 255, 260, 65_535]

type UnitOp =
  | { readonly kind: 'fetch' | 'delete'; readonly key: number; readonly start: number }
  | { readonly kind: 'put'; readonly key: number; readonly start: number; readonly value: number }
  | { readonly kind: 'range'; readonly key: number; readonly from: number; readonly to: number }

const key = fc.nat(KEYS.length - 1)
const start = fc.nat(STARTS.length - 1)
const unitOp: fc.Arbitrary<UnitOp> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constantFrom('fetch' as const, 'delete' as const), key, start }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('put' as const), key, start, value: fc.nat(99) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('range' as const), key, from: start, to: start }) },
)

/** One thing that happens. */
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('unit' as const),
      ops: fc.array(unitOp, { maxLength: 5 }),
      kept: fc.boolean(),
      stepMs: fc.oneof(fc.nat(4), fc.constant(300)),
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
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom('settle' as const, 'check' as const, 'restart' as const, 'close' as const),
    }),
  },
)
export type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

/** Histories of a store. */
export const windowHistories = fc.array(step, { maxLength: 50 })

/** Values by window start, then by key. */
type Windows = ReadonlyMap<number, ReadonlyMap<string, number>>

const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))

export class WindowModel {
  readonly rig: StoreRig<CachedWindowStore<string, number>>
  /** Whether memory was given back at some time. */
  evicted = false
  private readonly closedByRuntime: boolean
  private windows: Windows = new Map()
  private readonly inFlight: Windows[] = []
  private committed: Windows = new Map()
  private nowMs = 0

  private constructor(rig: StoreRig<CachedWindowStore<string, number>>, closedByRuntime: boolean) {
    this.rig = rig
    this.closedByRuntime = closedByRuntime
  }

  static async of(closedByRuntime: boolean): Promise<WindowModel> {
    const rig = await StoreRig.with((parts) => {
      const all = { ...parts, ...codecs(Serdes.string(), Serdes.json<number>()) }
      return new CachedWindowStore<string, number>(all, { grid: WINDOWS, closedByRuntime })
    })
    return new WindowModel(rig, closedByRuntime)
  }

  async run(steps: readonly Step[]): Promise<void> {
    for (const one of steps) await this.apply(one)
    await this.apply({ kind: 'settle' })
    this.checkAnswers()
    await this.apply({ kind: 'restart' })
    this.checkAnswers()
  }

  /** All entries, also in windows that are closed and have not been removed. */
  get size(): number {
    return [...this.windows.values()].reduce((sum, entries) => sum + entries.size, 0)
  }

  /** Entries in windows that are not closed. */
  get liveSize(): number {
    let size = 0
    for (const startMs of STARTS) if (!this.isClosed(startMs)) size += this.windows.get(startMs)?.size ?? 0
    return size
  }

  private async apply(one: Step): Promise<void> {
    const { rig } = this
    switch (one.kind) {
      case 'unit':
        return this.work(one)
      case 'evict':
        this.evicted = true
        return rig.store.evict(one.bytes)
      case 'close':
        return this.closedByRuntime ? this.closeDue() : undefined
      case 'prepare':
        rig.store.expire(rig.time.expiredThroughMs)
        this.inFlight.push(this.windows)
        return rig.prepare()
      case 'committed':
        this.committed = this.inFlight.shift() ?? this.committed
        return rig.committed()
      case 'beginFlush':
        return rig.beginFlush()
      case 'endFlush':
        return rig.endFlush().then(() => this.checkBackend())
      case 'check':
        return this.checkAnswers()
      case 'restart':
        this.inFlight.length = 0
        this.windows = this.committed
        return rig.restart()
      case 'settle':
        for (const kind of ['endFlush', 'prepare'] as const) await this.apply({ kind })
        while (this.inFlight.length > 0) await this.apply({ kind: 'committed' })
        for (const kind of ['beginFlush', 'endFlush'] as const) await this.apply({ kind })
    }
  }

  private work({ ops, kept, stepMs }: Extract<Step, { kind: 'unit' }>): void {
    const { time, transaction } = this.rig
    this.nowMs += stepMs
    time.timestampMs = this.nowMs
    time.expiredThroughMs = this.nowMs
    const before = this.windows
    transaction.begin()
    for (const op of ops) this.applyOp(op)
    if (kept) return
    transaction.rollback()
    this.windows = before
  }

  private applyOp(op: UnitOp): void {
    const { store } = this.rig
    const one = KEYS[op.key]!
    if (op.kind === 'range') return this.checkRange(one, STARTS[op.from]!, STARTS[op.to]!)
    const startMs = STARTS[op.start]!
    // The runtime takes no record for a window that it has closed, or is about to close.
    if (this.closedByRuntime && this.isClosed(startMs)) return
    if (op.kind === 'delete') {
      store.delete(one, startMs)
      this.change(startMs, (entries) => entries.delete(one))
    }
    if (op.kind === 'put') {
      store.put(one, startMs, op.value)
      this.change(startMs, (entries) => entries.set(one, op.value))
    }
    expect(store.fetch(one, startMs)).toBe(this.live(one, startMs))
  }

  private change(startMs: number, how: (entries: Map<string, number>) => void): void {
    const entries = new Map(this.windows.get(startMs))
    how(entries)
    const windows = new Map(this.windows).set(startMs, entries)
    if (entries.size === 0) windows.delete(startMs)
    this.windows = windows
  }

  /** Closes windows as the runtime does: earliest first, entry by entry, each as a unit that may be tried again. */
  private async closeDue(): Promise<void> {
    const { store, transaction } = this.rig
    for (
      let next = store.earliestStartMs;
      next !== undefined && this.isClosed(next);
      next = store.earliestStartMs
    ) {
      if (!store.isLoaded(next)) {
        await this.apply({ kind: 'endFlush' })
        await store.loadWindow(next)
        expect(store.isLoaded(next)).toBe(true)
      }
      const expected = [...(this.windows.get(next) ?? [])].sort(([a], [b]) => byBytes(a, b))
      expect(store.entriesOf(next).map((entry) => [entry.key, entry.value])).toEqual(expected)
      for (const entry of store.entriesOf(next)) {
        transaction.begin()
        store.takeOut(entry)
        transaction.rollback()
        transaction.begin()
        store.takeOut(entry)
      }
      expect(store.entriesOf(next)).toEqual([])
      store.dropWindow(next)
      this.change(next, (entries) => entries.clear())
    }
    expect(STARTS.filter((startMs) => this.isClosed(startMs) && this.windows.has(startMs))).toEqual([])
  }

  private checkAnswers(): void {
    const { store } = this.rig
    for (const one of KEYS) {
      for (const startMs of STARTS) expect(store.fetch(one, startMs)).toBe(this.live(one, startMs))
      this.checkRange(one, 0, Infinity)
    }
    const open = store.openStartsMs
    expect([...open].sort((a, b) => a - b)).toEqual(open)
    for (const startMs of this.windows.keys()) {
      if (!this.isClosed(startMs)) expect(open).toContain(startMs)
    }
    expect(store.earliestStartMs).toBe(open[0])
    expect(store.memoryBytes).toBeGreaterThanOrEqual(0)
  }

  private checkRange(one: string, fromMs: number, toMs: number): void {
    const expected = STARTS.filter((startMs) => startMs >= fromMs && startMs < toMs).flatMap((startMs) => {
      const value = this.live(one, startMs)
      return value === undefined ? [] : [[startMs, value]]
    })
    expect([...this.rig.store.fetchRange(one, fromMs, toMs)]).toEqual(expected)
  }

  /** The value, unless the window is gone by the time of the record. */
  private live(one: string, startMs: number): number | undefined {
    return !this.closedByRuntime && this.isClosed(startMs) ? undefined : this.windows.get(startMs)?.get(one)
  }

  private isClosed(startMs: number): boolean {
    return startMs + 10 + 2 <= this.nowMs
  }

  private async checkBackend(): Promise<void> {
    const { found, expected } = await this.rig.backendContents()
    expect(found).toEqual(expected)
  }
}
