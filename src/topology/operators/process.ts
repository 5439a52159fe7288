import type { OperatorFunction, Subscriber } from 'rxjs'
import { TopologyError } from '../../errors.ts'
import type { KeyValueStore, WindowStore } from '../../state/state-store.ts'
import type {
  FixedKeyProcessorContext,
  FixedKeyProcessorSupplier,
  ProcessorContext,
  ProcessorSupplier,
} from '../processor.ts'
import type { Counter, StageContext } from '../stage-context.ts'
import { FlowRecord, type RecordContext, type StreamRecord } from '../stream-record.ts'
import { perRecord, requireEventTime } from './per-record.ts'

/** Runs a user's processor; one instance per task. */
export function process<K, V, K2, V2>(
  stage: StageContext,
  supplier: ProcessorSupplier<K, V, K2, V2>,
  storeNames: readonly string[],
): OperatorFunction<StreamRecord<K, V>, StreamRecord<K2, V2>> {
  const context = new StageProcessorContext<K2, V2>(stage, storeNames)
  const processor = supplier()
  processor.init?.(context)
  return perRecord(stage, (record, downstream) => {
    context.begin(record, downstream)
    processor.process(record, context)
  })
}

/** Runs a user's processor that keeps the key. */
export function processValues<K, V, V2>(
  stage: StageContext,
  supplier: FixedKeyProcessorSupplier<K, V, V2>,
  storeNames: readonly string[],
): OperatorFunction<StreamRecord<K, V>, StreamRecord<K, V2>> {
  const context = new StageFixedKeyContext<K, V2>(stage, storeNames)
  const processor = supplier()
  processor.init?.(context)
  return perRecord(stage, (record, downstream) => {
    context.begin(record, downstream)
    processor.process(record, context)
  })
}

/** What both kinds of context share: stores, counters, and the record at hand. */
class StageAccess<K, V> {
  protected readonly stage: StageContext
  private readonly storeNames: ReadonlySet<string>
  protected input: StreamRecord | undefined
  protected downstream: Subscriber<StreamRecord<K, V>> | undefined

  constructor(stage: StageContext, storeNames: readonly string[]) {
    this.stage = stage
    this.storeNames = new Set(storeNames)
  }

  begin(record: StreamRecord, downstream: Subscriber<StreamRecord<K, V>>): void {
    this.input = record
    this.downstream = downstream
  }

  keyValueStore<SK, SV>(name: string): KeyValueStore<SK, SV> {
    this.requireConnected(name)
    return this.stage.keyValueStore(name)
  }

  windowStore<SK, SV>(name: string): WindowStore<SK, SV> {
    this.requireConnected(name)
    return this.stage.windowStore(name)
  }

  counter(name: string): Counter {
    return this.stage.counter(name)
  }

  get watermarkMs(): number {
    return this.stage.watermarkMs
  }

  get record(): RecordContext {
    return this.stage.current
  }

  private requireConnected(name: string): void {
    if (!this.storeNames.has(name)) {
      throw new TopologyError([`stage ${this.stage.name} uses store "${name}" but is not connected to it`])
    }
  }
}

class StageProcessorContext<K, V> extends StageAccess<K, V> implements ProcessorContext<K, V> {
  forward(record: { key: K; value: V; timestampMs?: number; headers?: StreamRecord['headers'] }): void {
    if (this.stage.current.failed) return
    if (record.timestampMs !== undefined) requireEventTime(this.stage, record.timestampMs)
    const timestampMs = record.timestampMs ?? this.input!.timestampMs
    const headers = record.headers ?? this.input!.headers
    this.downstream!.next(new FlowRecord(record.key, record.value, timestampMs, headers))
  }
}

class StageFixedKeyContext<K, V> extends StageAccess<K, V> implements FixedKeyProcessorContext<V> {
  forward(value: V): void {
    if (this.stage.current.failed) return
    const { key, timestampMs, headers } = this.input!
    this.downstream!.next(new FlowRecord(key as K, value, timestampMs, headers))
  }
}
