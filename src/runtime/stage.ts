import { AssertionError } from '../assert.ts'
import { RecordError } from '../errors.ts'
import type { KeyValueStore, WindowStore } from '../state/state-store.ts'
import type { Serde } from '../serde/serde.ts'
import type { LateReason } from '../time/lateness.ts'
import type {
  ClosedThrough,
  ClosingOperator,
  Counter,
  LateWindows,
  StageContext,
} from '../topology/stage-context.ts'
import type { StreamRecord } from '../topology/stream-record.ts'
import type { WindowedDetails } from '../topology/topology.ts'
import type { Counters } from './counters.ts'
import { lateHeaders } from './side-outputs.ts'
import type { RecordCollector } from './record-collector.ts'
import type { Unit } from './unit.ts'
import type { ClosingWindows } from './window-closer.ts'

/** What a task offers to all its stages. */
export interface StageServices {
  readonly unit: Unit
  readonly counters: Counters
  readonly collector: RecordCollector
  keyValueStore(name: string): KeyValueStore<unknown, unknown>
  windowStore(name: string): WindowStore<unknown, unknown>
  closing(stage: string, operator: ClosingOperator): ClosingWindows
  /** Whether an output with this time is not to be written; counts it then. */
  withholds(timestampMs: number): boolean
  /** Topic of late records where a stage names none. */
  readonly lateTopic: string
  /** The partition of an output for a key that is written as `key`. */
  partitionOf(topic: string, key: Buffer | string | null): number
}

/** A stage of one task: the runtime's side of an operator. */
export class Stage implements StageContext {
  readonly name: string
  readonly current: Unit
  private readonly services: StageServices
  private readonly windowed: WindowedDetails | undefined
  private readonly updateGraceMs: number
  private closingWindows: ClosingWindows | undefined

  /** `updateGraceMs`: see topology/grace.ts. */
  constructor(
    name: string,
    services: StageServices,
    windowed: WindowedDetails | undefined,
    updateGraceMs: number,
  ) {
    this.name = name
    this.current = services.unit
    this.services = services
    this.windowed = windowed
    this.updateGraceMs = updateGraceMs
  }

  get watermarkMs(): number {
    return this.current.watermarkMs - this.updateGraceMs
  }

  fail(error: unknown): void {
    // A broken assumption is not the record's fault; the task looks for it and stops.
    const assertion = this.current.failure?.error instanceof AssertionError
    if (this.current.failure !== undefined && (assertion || !(error instanceof AssertionError))) return
    this.current.failure = { stage: this.name, error }
  }

  keyValueStore<K, V>(name: string): KeyValueStore<K, V> {
    return this.services.keyValueStore(name) as KeyValueStore<K, V>
  }

  windowStore<K, V>(name: string): WindowStore<K, V> {
    return this.services.windowStore(name) as WindowStore<K, V>
  }

  counter(name: string): Counter {
    return this.services.counters.named(name)
  }

  closing(operator: ClosingOperator): ClosedThrough {
    this.closingWindows = this.services.closing(this.name, operator)
    return this.closingWindows
  }

  late(record: StreamRecord, late: LateWindows): void {
    const { counters, collector, unit, lateTopic } = this.services
    const details = this.windowed!
    const reason = this.reasonOf(late)
    counters.increment('late')
    if (reason === 'idle') counters.increment('lateIdle')
    if (reason === 'flushed') counters.increment('lateFlushed')
    if (this.services.withholds(record.timestampMs)) return
    const topic = details.lateTopic ?? lateTopic
    const key = write(details.key, record.key)
    const value = write(details.value, record.value)
    const headers = lateHeaders({
      reason,
      watermarkMs: this.watermarkMs,
      stage: this.name,
      windowStartsMs: late.startsMs,
      topic: unit.topic,
      partition: unit.partition,
      offset: unit.offset,
    })
    const partition = this.services.partitionOf(topic, key)
    collector.add(topic, partition, record.timestampMs, key, value, [...record.headers, ...headers])
  }

  partlyLate(): void {
    this.services.counters.increment('partlyLate')
  }

  private reasonOf({ closedByDecision, startsMs, windows }: LateWindows): LateReason {
    if (!closedByDecision) return 'late'
    const closesAtMs = windows.closesAtMs(startsMs[startsMs.length - 1]!)
    return closesAtMs <= this.closingWindows!.flushedThroughMs ? 'flushed' : 'idle'
  }
}

/**
 * Encodes with the serde; `null` and `undefined` are Kafka's null. `RecordError` `RECORD_UNWRITABLE` where it cannot.
 */
export function write(serde: Serde<unknown>, value: unknown): Buffer | string | null {
  if (value === null || value === undefined) return null
  try {
    return serde.serialize(value)
  } catch (error) {
    if (error instanceof RecordError) throw error
    throw new RecordError('RECORD_UNWRITABLE', `${serde.name}: ${(error as Error).message}`, { cause: error })
  }
}
