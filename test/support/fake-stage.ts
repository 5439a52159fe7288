/** An operator's surroundings without a runtime: what it asks for is answered from maps, what it does is noted. */
import { Subject, type OperatorFunction } from 'rxjs'
import type { KeyValueStore, WindowStore } from '../../src/state/state-store.ts'
import type {
  ClosingOperator,
  Counter,
  CurrentUnit,
  LateWindows,
  StageContext,
} from '../../src/topology/stage-context.ts'
import { FlowRecord, type Header, type StreamRecord } from '../../src/topology/stream-record.ts'

/** The unit at hand; a test may change it between records. */
export class FakeUnit implements CurrentUnit {
  failure: unknown
  failed = false
  topic = 'readings'
  partition = 0
  offset = 0n
  timestampMs = 0
  headers: readonly Header[] = []
  isReplay = false

  begin(): void {
    this.failed = false
    this.failure = undefined
  }
}

/** A record that was late for all its windows. */
export interface LateRecord {
  readonly record: StreamRecord
  readonly late: LateWindows
}

export class FakeStage implements StageContext {
  readonly name: string
  readonly current: FakeUnit
  watermarkMs = -Infinity
  readonly keyValues = new Map<string, Map<unknown, unknown>>()
  readonly windows = new Map<string, Map<string, unknown>>()
  readonly counts = new Map<string, number>()
  readonly lateRecords: LateRecord[] = []
  partlyLateCount = 0
  closingOperator: ClosingOperator | undefined
  readonly closed = { closedThroughMs: -Infinity }
  /** Everything that was told to `fail`, also where it no longer counted. */
  readonly failures: unknown[] = []

  /** Stages of one task share the unit. */
  constructor(name = 'stage-01', current = new FakeUnit()) {
    this.name = name
    this.current = current
  }

  fail(error: unknown): void {
    this.failures.push(error)
    if (this.current.failed) return
    this.current.failed = true
    this.current.failure = error
  }

  keyValueStore<K, V>(name: string): KeyValueStore<K, V> {
    const entries = (this.keyValues.get(name) ?? new Map()) as Map<K, V>
    this.keyValues.set(name, entries)
    return {
      name,
      get: (key) => entries.get(key),
      put: (key, value) => void entries.set(key, value),
      delete: (key) => void entries.delete(key),
      range: () => [...entries],
    }
  }

  windowStore<K, V>(name: string): WindowStore<K, V> {
    const entries = (this.windows.get(name) ?? new Map()) as Map<string, V>
    this.windows.set(name, entries)
    const idOf = (key: K, startMs: number): string => `${String(key)}@${startMs}`
    return {
      name,
      fetch: (key, startMs) => entries.get(idOf(key, startMs)),
      put: (key, startMs, value) => void entries.set(idOf(key, startMs), value),
      delete: (key, startMs) => void entries.delete(idOf(key, startMs)),
      fetchRange: () => [],
    }
  }

  counter(name: string): Counter {
    return { increment: () => void this.counts.set(name, (this.counts.get(name) ?? 0) + 1) }
  }

  closing(operator: ClosingOperator): { readonly closedThroughMs: number } {
    this.closingOperator = operator
    return this.closed
  }

  late(record: StreamRecord, late: LateWindows): void {
    this.lateRecords.push({ record, late })
  }

  partlyLate(): void {
    this.partlyLateCount++
  }
}

/** A record as an operator gets it. */
export function recordOf<K, V>(
  key: K,
  value: V,
  timestampMs = 0,
  headers: readonly Header[] = [],
): StreamRecord<K, V> {
  return new FlowRecord(key, value, timestampMs, headers)
}

/** An operator that runs: give it records, see what comes out. */
export interface RunningOperator<In, Out> {
  /** Works one record as a unit of its own; what came out of it. */
  work(record: In): readonly Out[]
  /** Everything that came out so far. */
  readonly outputs: readonly Out[]
  /** Whether the operator has ended its output, which it never should. */
  readonly ended: boolean
}

/** Subscribes an operator. `onOutput` is called for each output, as a stage behind it would be. */
export function runOperator<In, Out>(
  stage: FakeStage,
  operator: OperatorFunction<In, Out>,
  onOutput: (output: Out) => void = () => undefined,
): RunningOperator<In, Out> {
  const entrance = new Subject<In>()
  const outputs: Out[] = []
  let ended = false
  entrance.pipe(operator).subscribe({
    next(output) {
      outputs.push(output)
      onOutput(output)
    },
    error: () => (ended = true),
    complete: () => (ended = true),
  })
  return {
    outputs,
    get ended() {
      return ended
    },
    work(record) {
      const before = outputs.length
      stage.current.begin()
      entrance.next(record)
      return outputs.slice(before)
    },
  }
}
