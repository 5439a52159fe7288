/** What the DSL's calls take besides functions, in Kafka Streams' names. Serdes not given: text keys, JSON values. */
import type { Serde } from '../serde/serde.ts'
import type { StageOptions } from './error-policy.ts'
import type { RecordContext } from './stream-record.ts'

/** How a source is read. */
export interface Consumed<K, V> extends StageOptions {
  readonly key?: Serde<K>
  readonly value?: Serde<V>
  /** Event time; the record's own timestamp where not given. Must answer an integer of epoch milliseconds. */
  readonly timestamp?: (value: V, key: K, record: RecordContext) => number
}

/** How a sink is written. */
export interface Produced<K, V> extends StageOptions {
  readonly key?: Serde<K>
  readonly value?: Serde<V>
  /**
   * What to hash (murmur2) for the partition instead of the serialised key. A record without key goes to the
   * partition that its task's number names, modulo the topic's partitions: no chance is involved.
   */
  readonly partitionBy?: (key: K, value: V) => string | Buffer
}

/** How records are written between two sub-topologies, and how late ones are written to the side output. */
export interface Grouped<K, V> extends StageOptions {
  readonly key?: Serde<K>
  readonly value?: Serde<V>
}

/** How a stream is repartitioned by hand. */
export interface Repartitioned<K, V> extends Grouped<K, V> {
  /** Partitions of the topic; as many as the sources have where not given. */
  readonly partitions?: number
}

/** How an aggregate is kept. */
export interface Materialized<A> extends StageOptions {
  /** Name of the store; the stage's name where not given. */
  readonly store?: string
  readonly value?: Serde<A>
}

/** How an aggregate is kept and made. */
export interface AggregateOptions<A> extends Materialized<A> {
  /**
   * Declares that the aggregate is the same in whatever order the values come (exactly: sums of floating-point
   * numbers are not). Spares the wait for the canonical order where a task has several inputs.
   */
  readonly commutative?: boolean
}

/** How windows are kept. */
export interface WindowedOptions {
  /** Topic of the late side output; the application's late topic where not given. */
  readonly lateTopic?: string
}

/** Which stores a processor may use. */
export interface ProcessOptions extends StageOptions {
  readonly stores?: readonly string[]
}

/** What looking at records does. */
export interface PeekOptions extends StageOptions {
  /** It has effects outside the log, and so is left out in a replay (`isReplay`). Default false. */
  readonly sideEffect?: boolean
}

/** The error policy alone. */
export function policyOf(options: StageOptions | undefined): Pick<StageOptions, 'onError' | 'retry'> {
  return {
    ...(options?.onError !== undefined && { onError: options.onError }),
    ...(options?.retry !== undefined && { retry: options.retry }),
  }
}
