import type { Observable } from 'rxjs'
import type { Serde } from '../serde/serde.ts'
import { BranchedKStream } from './branched-stream.ts'
import {
  policyOf,
  type Grouped,
  type PeekOptions,
  type ProcessOptions,
  type Produced,
  type Repartitioned,
} from './dsl-options.ts'
import type { StageOptions } from './error-policy.ts'
import { KGroupedStream } from './grouped-stream.ts'
import { filter, type Predicate } from './operators/filter.ts'
import { flatMap, flatMapValues } from './operators/flat-map.ts'
import {
  type KeyValue,
  type KeyValueMapper,
  map,
  mapValues,
  selectKey,
  type ValueMapper,
} from './operators/map.ts'
import { peek } from './operators/peek.ts'
import { process, processValues } from './operators/process.ts'
import { rxSegment, rxValueSegment } from './operators/rx-segment.ts'
import type { FixedKeyProcessorSupplier, ProcessorSupplier } from './processor.ts'
import { withSerdes, type StreamHandle } from './stream-handle.ts'
import type { StreamRecord } from './stream-record.ts'
import type { BuildOperator, PartitionBy } from './topology.ts'

/**
 * A stream of records. Every call adds a stage and answers the stream behind it; the stream itself stays as it is and
 * may be used again. User functions are synchronous and pure; what they throw is handled by the stage's error policy.
 */
export class KStream<K, V> {
  /** @internal */
  readonly handle: StreamHandle<K, V>

  /** @internal */
  constructor(handle: StreamHandle<K, V>) {
    this.handle = handle
  }

  /** Keeps the records for which `predicate` holds. */
  filter(predicate: Predicate<K, V>, options?: StageOptions): KStream<K, V> {
    return this.stage('filter', options, (stage) => filter(stage, predicate, true) as never)
  }

  /** Keeps the records for which `predicate` does not hold. */
  filterNot(predicate: Predicate<K, V>, options?: StageOptions): KStream<K, V> {
    return this.stage('filterNot', options, (stage) => filter(stage, predicate, false) as never)
  }

  /** A new key and value for each record. */
  map<K2, V2>(mapper: KeyValueMapper<K, V, KeyValue<K2, V2>>, options?: StageOptions): KStream<K2, V2> {
    return this.rekeyingStage('map', options, (stage) => map(stage, mapper) as never)
  }

  /** A new value for each record; the key stays, so no repartition follows. */
  mapValues<V2>(mapper: ValueMapper<K, V, V2>, options?: StageOptions): KStream<K, V2> {
    return this.valueStage('mapValues', options, (stage) => mapValues(stage, mapper) as never)
  }

  /** Any number of records for each. */
  flatMap<K2, V2>(
    mapper: KeyValueMapper<K, V, Iterable<KeyValue<K2, V2>>>,
    options?: StageOptions,
  ): KStream<K2, V2> {
    return this.rekeyingStage('flatMap', options, (stage) => flatMap(stage, mapper) as never)
  }

  /** Any number of values for each record, under its key. */
  flatMapValues<V2>(mapper: ValueMapper<K, V, Iterable<V2>>, options?: StageOptions): KStream<K, V2> {
    return this.valueStage('flatMapValues', options, (stage) => flatMapValues(stage, mapper) as never)
  }

  /** A new key for each record; grouping behind it repartitions by itself. */
  selectKey<K2>(mapper: KeyValueMapper<K, V, K2>, options?: StageOptions): KStream<K2, V> {
    const node = this.addOperator('selectKey', options, (stage) => selectKey(stage, mapper) as never)
    return new KStream({ ...this.handle, node, key: undefined, rekeyed: true })
  }

  /**
   * Looks at each record, and passes it on. An action that has effects outside the log (a mail, a call) says so with
   * `sideEffect: true`: it is withheld in a replay.
   */
  peek(action: KeyValueMapper<K, V, void>, options?: PeekOptions): KStream<K, V> {
    return this.stage('peek', options, (stage) => peek(stage, action, options?.sideEffect) as never)
  }

  /**
   * The records of this stream and of the others. The order between them is the canonical one where a later stage
   * depends on order.
   */
  merge(...others: readonly KStream<K, V>[]): KStream<K, V> {
    const { graph } = this.handle
    const name = graph.nameFor('merge', undefined)
    const streams = [this as KStream<K, V>, ...others]
    if (others.some((stream) => stream.handle.graph !== graph)) {
      graph.addProblem(`${name}: a stream of another builder cannot be merged`)
    }
    graph.addNode({
      type: 'operator',
      name,
      parents: streams.map((stream) => stream.handle.node),
      policy: {},
      operator: 'merge',
      build: () => (source) => source,
      stores: [],
      orderDependent: false,
      windowed: undefined,
    })
    const rekeyed = streams.some((stream) => stream.handle.rekeyed)
    return new KStream({ ...this.handle, node: name, rekeyed })
  }

  /** Splits into branches: each record goes to the first branch that takes it. */
  split(options?: StageOptions): BranchedKStream<K, V> {
    return new BranchedKStream(this, options)
  }

  /**
   * A chain of synchronous RxJS operators over whole records, subscribed afresh for each record: no operator state
   * outlives a record. Give serdes again where a later stage writes the records.
   *
   * ```ts
   * stream.pipe((records) => records.pipe(filter((r) => r.value > 0), map((r) => ({ ...r, value: r.value * 2 }))))
   * ```
   */
  pipe<K2, V2>(
    segment: (records: Observable<StreamRecord<K, V>>) => Observable<StreamRecord<K2, V2>>,
    options?: StageOptions,
  ): KStream<K2, V2> {
    return this.rekeyingStage('pipe', options, (stage) => rxSegment(stage, segment) as never)
  }

  /** The same over the values alone: key, time and headers stay, and no repartition follows. */
  pipeValues<V2>(segment: (values: Observable<V>) => Observable<V2>, options?: StageOptions): KStream<K, V2> {
    return this.valueStage('pipeValues', options, (stage) => rxValueSegment(stage, segment) as never)
  }

  /** Runs a processor with state stores; it may change keys. Takes its inputs in canonical order. */
  process<K2, V2>(supplier: ProcessorSupplier<K, V, K2, V2>, options?: ProcessOptions): KStream<K2, V2> {
    const stores = options?.stores ?? []
    const build: BuildOperator = (stage) => process(stage, supplier, stores) as never
    const node = this.addOperator('process', options, build, { stores, orderDependent: true })
    return new KStream<K2, V2>({ ...this.handle, node, key: undefined, value: undefined, rekeyed: true })
  }

  /** Runs a processor with state stores that keeps the keys, so that no repartition follows. */
  processValues<V2>(supplier: FixedKeyProcessorSupplier<K, V, V2>, options?: ProcessOptions): KStream<K, V2> {
    const stores = options?.stores ?? []
    const build: BuildOperator = (stage) => processValues(stage, supplier, stores) as never
    const node = this.addOperator('processValues', options, build, { stores, orderDependent: true })
    return new KStream<K, V2>({ ...this.handle, node, value: undefined })
  }

  /** Groups by the key as it is; repartitions where a stage before may have changed it. */
  groupByKey(grouped: Grouped<K, V> = {}): KGroupedStream<K, V> {
    const stream = this.handle.rekeyed ? this.repartition(grouped) : this
    return new KGroupedStream(withSerdes(stream.handle, grouped))
  }

  /** Groups by a new key; repartitions. */
  groupBy<K2>(mapper: KeyValueMapper<K, V, K2>, grouped: Grouped<K2, V> = {}): KGroupedStream<K2, V> {
    return this.selectKey(mapper).groupByKey(grouped)
  }

  /**
   * Sends the records through a topic, partitioned by their key. Their event time, source position and watermark
   * travel along. A stage behind it runs as other tasks, one for each partition of that topic.
   */
  repartition(options: Repartitioned<K, V> = {}): KStream<K, V> {
    const { graph } = this.handle
    const name = graph.nameFor('repartition', options.name)
    const handle = withSerdes(this.handle, options)
    graph.addNode({
      type: 'repartition',
      name,
      parents: [this.handle.node],
      policy: policyOf(options),
      key: handle.key as Serde<unknown>,
      value: handle.value as Serde<unknown>,
      partitions: options.partitions,
    })
    return new KStream({ ...handle, node: name, rekeyed: false })
  }

  /** Writes the records to a topic. */
  to(topic: string, produced: Produced<K, V> = {}): void {
    const { graph } = this.handle
    const handle = withSerdes(this.handle, produced)
    graph.addNode({
      type: 'sink',
      name: graph.nameFor('sink', produced.name),
      parents: [this.handle.node],
      policy: policyOf(produced),
      topic,
      key: handle.key as Serde<unknown>,
      value: handle.value as Serde<unknown>,
      partitionBy: produced.partitionBy as PartitionBy | undefined,
    })
  }

  private stage(operator: string, options: StageOptions | undefined, build: BuildOperator): KStream<K, V> {
    return new KStream({ ...this.handle, node: this.addOperator(operator, options, build) })
  }

  private valueStage<V2>(
    operator: string,
    options: StageOptions | undefined,
    build: BuildOperator,
  ): KStream<K, V2> {
    return new KStream<K, V2>({
      ...this.handle,
      node: this.addOperator(operator, options, build),
      value: undefined,
    })
  }

  private rekeyingStage<K2, V2>(
    operator: string,
    options: StageOptions | undefined,
    build: BuildOperator,
  ): KStream<K2, V2> {
    const node = this.addOperator(operator, options, build)
    return new KStream<K2, V2>({ ...this.handle, node, key: undefined, value: undefined, rekeyed: true })
  }

  private addOperator(
    operator: string,
    options: StageOptions | undefined,
    build: BuildOperator,
    details: { stores?: readonly string[]; orderDependent?: boolean } = {},
  ): string {
    const { graph, node } = this.handle
    const name = graph.nameFor(operator, options?.name)
    graph.addNode({
      type: 'operator',
      name,
      parents: [node],
      policy: policyOf(options),
      operator,
      build,
      stores: details.stores ?? [],
      orderDependent: details.orderDependent ?? false,
      windowed: undefined,
    })
    return name
  }
}
