/** The Processor API: the escape hatch below the DSL, with state. */
import type { KeyValueStore, WindowStore } from '../state/state-store.ts'
import type { Counter } from './stage-context.ts'
import type { RecordContext, StreamRecord } from './stream-record.ts'

/** What a processor may do. Valid for the life of the processor; only to be used during its calls. */
export interface ProcessorContext<KOut, VOut> {
  /** Passes a record on; time and headers of the record being worked where they are not given. */
  forward(record: { key: KOut; value: VOut; timestampMs?: number; headers?: StreamRecord['headers'] }): void
  /** A store that was connected to this processor. */
  keyValueStore<K, V>(name: string): KeyValueStore<K, V>
  windowStore<K, V>(name: string): WindowStore<K, V>
  /** A count kept with the task's state and shown in `status`; the same name is the same counter everywhere. */
  counter(name: string): Counter
  /** The watermark of the record's own source partition before this record. */
  readonly watermarkMs: number
  readonly record: RecordContext
}

/** Made once per task; holds no state of its own that matters: state belongs in stores. */
export interface Processor<K, V, KOut, VOut> {
  init?(context: ProcessorContext<KOut, VOut>): void
  /** Called for every record, in canonical order. What it throws fails the record, and all it wrote is undone. */
  process(record: StreamRecord<K, V>, context: ProcessorContext<KOut, VOut>): void
}

export type ProcessorSupplier<K, V, KOut, VOut> = () => Processor<K, V, KOut, VOut>

/** What a processor that keeps the key may do. */
export interface FixedKeyProcessorContext<VOut> extends Omit<ProcessorContext<never, VOut>, 'forward'> {
  /** Passes a value on under the key, time and headers of the record being worked. */
  forward(value: VOut): void
}

/** A processor that cannot change the key, so that no repartition is needed behind it. */
export interface FixedKeyProcessor<K, V, VOut> {
  init?(context: FixedKeyProcessorContext<VOut>): void
  process(record: StreamRecord<K, V>, context: FixedKeyProcessorContext<VOut>): void
}

export type FixedKeyProcessorSupplier<K, V, VOut> = () => FixedKeyProcessor<K, V, VOut>
