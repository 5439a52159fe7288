import type { Serde } from '../serde/serde.ts'
import { Serdes } from '../serde/serdes.ts'
import type { TimeWindows } from '../time/windows.ts'
import { policyOf, type Materialized, type WindowedOptions } from './dsl-options.ts'
import type { StreamHandle } from './stream-handle.ts'
import { KTable } from './ktable.ts'
import {
  aggregation,
  type Aggregator,
  COUNT,
  type Initializer,
  type Reducer,
  reduction,
} from './aggregations.ts'
import { aggregate, type Aggregation } from './operators/aggregate.ts'
import { eraseStore, Stores } from './stores.ts'
import { TimeWindowedKStream } from './windowed-stream.ts'

/** A stream grouped by key, to be aggregated, in windows or without. Without windows every record is an update. */
export class KGroupedStream<K, V> {
  private readonly handle: StreamHandle<K, V>

  /** @internal */
  constructor(handle: StreamHandle<K, V>) {
    this.handle = handle
  }

  /** Aggregates in windows of event time. */
  windowedBy(windows: TimeWindows, options: WindowedOptions = {}): TimeWindowedKStream<K, V> {
    return new TimeWindowedKStream(this.handle, windows, 'onWindowClose', options)
  }

  /** Records per key. */
  count(materialized: Materialized<number> = {}): KTable<K, number> {
    return this.addAggregate('count', COUNT, { value: Serdes.json<number>(), ...materialized })
  }

  /** Values of a key reduced to one, in canonical order. */
  reduce(reducer: Reducer<V>, materialized: Materialized<V> = {}): KTable<K, V> {
    const value = materialized.value ?? this.handle.value
    return this.addAggregate('reduce', reduction<K, V>(reducer), { ...materialized, ...(value && { value }) })
  }

  /** An aggregate of any type per key, in canonical order. */
  aggregate<A>(
    initializer: Initializer<A>,
    aggregator: Aggregator<K, V, A>,
    materialized: Materialized<A> = {},
  ): KTable<K, A> {
    return this.addAggregate('aggregate', aggregation(initializer, aggregator), materialized)
  }

  private addAggregate<A>(
    operator: string,
    steps: Aggregation<K, V, A>,
    materialized: Materialized<A>,
  ): KTable<K, A> {
    const { graph } = this.handle
    const name = graph.nameFor(operator, materialized.name)
    const store = materialized.store ?? name
    const value = materialized.value ?? Serdes.json<A>()
    const key = this.handle.key as Serde<K>
    graph.addStore(eraseStore(Stores.keyValueStore({ name: store, key, value, ranges: false })))
    graph.addNode({
      type: 'operator',
      name,
      parents: [this.handle.node],
      policy: policyOf(materialized),
      operator,
      build: (stage) => aggregate(stage, steps, store) as never,
      stores: [store],
      // Every record is passed on as an update, so the order of the inputs can be seen even of a commutative one.
      orderDependent: true,
      windowed: undefined,
    })
    return new KTable({ ...this.handle, node: name, key, value, rekeyed: false })
  }
}
