import type { Serde } from '../serde/serde.ts'
import { Serdes } from '../serde/serdes.ts'
import type { EmitStrategy } from '../time/emit-strategy.ts'
import type { TimeWindows, Windowed } from '../time/windows.ts'
import { policyOf, type AggregateOptions, type Materialized, type WindowedOptions } from './dsl-options.ts'
import {
  aggregation,
  type Aggregator,
  COUNT,
  type Initializer,
  type Reducer,
  reduction,
} from './aggregations.ts'
import { KTable } from './ktable.ts'
import type { Aggregation } from './operators/aggregate.ts'
import { windowedAggregate } from './operators/windowed-aggregate.ts'
import { eraseStore, Stores } from './stores.ts'
import type { StreamHandle } from './stream-handle.ts'

/**
 * A grouped stream in windows. By default one final result per key and window is sent on when the window closes;
 * late records go to the late side output.
 */
export class TimeWindowedKStream<K, V> {
  private readonly handle: StreamHandle<K, V>
  private readonly windows: TimeWindows
  private readonly emit: EmitStrategy
  private readonly options: WindowedOptions

  /** @internal */
  constructor(
    handle: StreamHandle<K, V>,
    windows: TimeWindows,
    emit: EmitStrategy,
    options: WindowedOptions,
  ) {
    this.handle = handle
    this.windows = windows
    this.emit = emit
    this.options = options
  }

  /** Chooses when results are sent on. */
  emitStrategy(emit: EmitStrategy): TimeWindowedKStream<K, V> {
    return new TimeWindowedKStream(this.handle, this.windows, emit, this.options)
  }

  /** Records per key and window. */
  count(materialized: Materialized<number> = {}): KTable<Windowed<K>, number> {
    const options = { value: Serdes.json<number>(), ...materialized, commutative: true }
    return this.addAggregate('windowedCount', COUNT as Aggregation<K, V, number>, options)
  }

  /** Values of a key and window reduced to one, in canonical order unless declared commutative. */
  reduce(reducer: Reducer<V>, options: AggregateOptions<V> = {}): KTable<Windowed<K>, V> {
    const value = options.value ?? this.handle.value
    return this.addAggregate('windowedReduce', reduction<K, V>(reducer), {
      ...options,
      ...(value && { value }),
    })
  }

  /** An aggregate of any type per key and window, in canonical order unless declared commutative. */
  aggregate<A>(
    initializer: Initializer<A>,
    aggregator: Aggregator<K, V, A>,
    options: AggregateOptions<A> = {},
  ): KTable<Windowed<K>, A> {
    return this.addAggregate('windowedAggregate', aggregation(initializer, aggregator), options)
  }

  private addAggregate<A>(
    operator: string,
    steps: Aggregation<K, V, A>,
    options: AggregateOptions<A>,
  ): KTable<Windowed<K>, A> {
    const { graph } = this.handle
    const { windows, emit } = this
    const name = graph.nameFor(operator, options.name)
    const store = options.store ?? name
    const value = options.value ?? Serdes.json<A>()
    const key = this.handle.key as Serde<K>
    graph.addStore(eraseStore(Stores.windowStore({ name: store, key, value, windows })))
    graph.addNode({
      type: 'operator',
      name,
      parents: [this.handle.node],
      policy: policyOf(options),
      operator,
      build: (stage) => windowedAggregate(stage, steps, windows, emit, store) as never,
      stores: [store],
      orderDependent: emit === 'onWindowUpdate' || options.commutative !== true,
      windowed: {
        windows,
        emit,
        lateTopic: this.options.lateTopic,
        key: key as Serde<unknown>,
        value: this.handle.value as Serde<unknown>,
      },
    })
    // The key has become a windowed one, which nobody partitioned by.
    const windowedKey = Serdes.timeWindowed(key, windows.sizeMs)
    return new KTable<Windowed<K>, A>({ ...this.handle, node: name, key: windowedKey, value, rekeyed: true })
  }
}
