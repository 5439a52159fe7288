/** A topology described as plain data, as calls of the DSL. */
import { bufferCount, map, mergeMap } from 'rxjs'
import {
  Serdes,
  Stores,
  StreamsBuilder,
  TimeWindows,
  type KGroupedStream,
  type KStream,
  type KTable,
  type StageOptions,
  type StreamRecord,
  type TimeWindowedKStream,
  type Topology,
  type Windowed,
} from '../../src/index.ts'
import { dedupe, difference, differenceValues, ranking } from './dsl-processors.ts'
import type {
  AggregateStage,
  DedupeStage,
  DifferenceStage,
  Item,
  MergeStage,
  PipeStage,
  RankingStage,
  SourceStage,
  SplitStage,
  StageSpec,
  TopologySpec,
  WindowedStage,
} from './topology-spec.ts'
import {
  checkedItem,
  copiesOf,
  emptyList,
  emptyStats,
  eventTimeOf,
  failWhen,
  holds,
  itemOf,
  joined,
  listed,
  marked,
  newKey,
  reducerOf,
  windowKey,
  withStats,
} from './user-functions.ts'

type Key = string | null
type Stream = KStream<Key, Item>
type Streams = Map<string, Stream>

/** The topology that the stages describe. All stages and stores have the names of the description. */
export function topologyOf(spec: TopologySpec): Topology {
  const builder = new StreamsBuilder()
  const stores = new Set<string>()
  const streams: Streams = new Map()
  for (const stage of spec.stages) {
    if ('store' in stage && !stores.has(stage.store)) {
      stores.add(stage.store)
      addStore(builder, stage)
    }
    addStage(builder, stage, streams)
  }
  return builder.build()
}

function addStore(builder: StreamsBuilder, stage: DedupeStage | DifferenceStage | RankingStage): void {
  const lifetime = stage.ttlMs === undefined ? {} : { ttlMs: stage.ttlMs }
  const name = stage.store
  builder.addStateStore(
    Stores.keyValueStore({ name, key: Serdes.string(), value: Serdes.json<unknown>(), ...lifetime }),
  )
}

function addStage(builder: StreamsBuilder, stage: StageSpec, streams: Streams): void {
  switch (stage.kind) {
    case 'source':
      streams.set(stage.name, source(builder, stage))
      break
    case 'merge':
      streams.set(stage.name, merge(stage, streams))
      break
    case 'split':
      split(stage, streams)
      break
    case 'sink':
      input(stage, streams).to(stage.topic, {
        ...optionsOf(stage),
        ...(stage.partitionBy && {
          partitionBy: (key: Key, value: Item) => newKey(stage.partitionBy!, key, value),
        }),
      })
      break
    default:
      streams.set(stage.name, linear(stage, input(stage, streams)))
  }
}

type LinearStage = Exclude<StageSpec, { kind: 'source' | 'merge' | 'split' | 'sink' }>

/** A stage with one stream before it and one behind it. */
function linear(stage: LinearStage, stream: Stream): Stream {
  const options = optionsOf(stage)
  switch (stage.kind) {
    case 'check':
      return stream.mapValues(checkedItem, options)
    case 'filter':
      return stream.filter((_key, item) => holds(stage.predicate, item), options)
    case 'filterNot':
      return stream.filterNot((_key, item) => holds(stage.predicate, item), options)
    case 'map':
      return stream.map<Key, Item>(
        (key, item) => [newKey(stage.key, key, item), marked(item, stage.name, 0)] as const,
        options,
      )
    case 'mapValues':
      return stream.mapValues((item) => marked(item, stage.name, stage.add), options)
    case 'flatMap':
      return stream.flatMap<Key, Item>((key, item) => {
        const copies = copiesOf(item, item.n % stage.copies)
        return copies.map((copy) => [newKey(stage.key, key, copy), copy] as const)
      }, options)
    case 'flatMapValues':
      return stream.flatMapValues((item) => copiesOf(item, item.n % stage.copies), options)
    case 'selectKey':
      return stream.selectKey<Key>((key, item) => newKey(stage.key, key, item), options)
    case 'peek':
      return stream.peek((_key, item) => failWhen(stage.failWhen, item), options)
    case 'failing':
      return stream.mapValues((item) => {
        failWhen(stage.failWhen, item)
        return item
      }, options)
    case 'pipe':
    case 'pipeValues':
      return pipe(stage, stream)
    case 'repartition':
      return stream.repartition({
        ...options,
        ...(stage.partitions !== undefined && { partitions: stage.partitions }),
      }) as Stream
    case 'windowed':
      return windowed(stage, stream)
    case 'aggregate':
      return aggregate(stage, stream)
    case 'dedupe':
      return stream.processValues(dedupe(stage), { ...options, stores: [stage.store] })
    case 'difference':
      return stage.key === undefined
        ? stream.processValues(differenceValues(stage), { ...options, stores: [stage.store] })
        : stream.process(difference(stage, stage.key), { ...options, stores: [stage.store] })
    case 'ranking':
      return stream.processValues(ranking(stage), { ...options, stores: [stage.store] })
  }
}

function optionsOf(stage: StageSpec): StageOptions {
  return { name: stage.name, ...(stage.onError !== undefined && { onError: stage.onError }) }
}

function stream(name: string | undefined, streams: Streams): Stream {
  const found = name === undefined ? undefined : streams.get(name)
  if (found === undefined) throw new Error(`no stream named ${name}`)
  return found
}

function input(stage: StageSpec, streams: Streams): Stream {
  return stream(stage.inputs[0], streams)
}

function source(builder: StreamsBuilder, stage: SourceStage): Stream {
  const timestamp = stage.eventTime === 'value' ? { timestamp: eventTimeOf } : {}
  return builder.stream<Key, Item>(stage.topics, { ...optionsOf(stage), ...timestamp })
}

function merge(stage: MergeStage, streams: Streams): Stream {
  const [first, ...others] = stage.inputs.map((name) => stream(name, streams))
  return first!.merge(...others)
}

function split(stage: SplitStage, streams: Streams): void {
  const branched = input(stage, streams).split(optionsOf(stage))
  for (const { name, predicate } of stage.branches) {
    branched.branch((_key, item) => holds(predicate, item), name)
  }
  const branches =
    stage.defaultBranch === undefined
      ? branched.noDefaultBranch()
      : branched.defaultBranch(stage.defaultBranch)
  for (const [name, branch] of Object.entries(branches)) streams.set(`${stage.name}-${name}`, branch)
}

function pipe(stage: PipeStage, stream: Stream): Stream {
  const copies = (item: Item): readonly Item[] => copiesOf(item, 1 + (item.n % stage.copies))
  if (stage.kind === 'pipeValues') {
    return stream.pipeValues(
      (values) => values.pipe(mergeMap(copies), bufferCount(stage.size), map(joined)),
      optionsOf(stage),
    )
  }
  return stream.pipe(
    (records) =>
      records.pipe(
        mergeMap((record) => copies(record.value).map((value) => ({ ...record, value }))),
        bufferCount(stage.size),
        map((buffer): StreamRecord<Key, Item> => {
          const value = joined(buffer.map((record) => record.value))
          return { ...buffer[0]!, key: newKey(stage.key, buffer[0]!.key, value), value }
        }),
      ),
    optionsOf(stage),
  )
}

function groupOf(stage: WindowedStage | AggregateStage, stream: Stream): KGroupedStream<string, Item> {
  const name = `${stage.name}-repartition`
  if (stage.group === undefined) return (stream as KStream<string, Item>).groupByKey({ name })
  const by = stage.group
  return stream.groupBy((key, item) => newKey(by, key, item), { name })
}

function windowed(stage: WindowedStage, stream: Stream): Stream {
  const { sizeMs, advanceMs, graceMs } = stage.windows
  const windows = TimeWindows.ofSizeAndGrace(sizeMs, graceMs).advanceBy(advanceMs)
  const options = stage.lateTopic === undefined ? {} : { lateTopic: stage.lateTopic }
  const opened = groupOf(stage, stream).windowedBy(windows, options).emitStrategy(stage.emit)
  const results = tableOf<Windowed<string>>(stage, opened)
  return results
    .toStream(({ key, window }) => windowKey(key, window.startMs), { name: `${stage.name}-key` })
    .mapValues((value, key) => itemOf(key, value), { name: `${stage.name}-item` }) as Stream
}

function aggregate(stage: AggregateStage, stream: Stream): Stream {
  const results = tableOf<string>(stage, groupOf(stage, stream))
  return results
    .toStream()
    .mapValues((value, key) => itemOf(key, value), { name: `${stage.name}-item` }) as Stream
}

/** The aggregation itself, which reads alike with windows and without. */
function tableOf<K>(
  stage: WindowedStage | AggregateStage,
  grouped: KGroupedStream<string, Item> | TimeWindowedKStream<string, Item>,
): KTable<K, unknown> {
  const options = optionsOf(stage)
  const { aggregator } = stage
  const commutative = 'commutative' in aggregator && aggregator.commutative ? { commutative: true } : {}
  switch (aggregator.by) {
    case 'count':
      return grouped.count(options) as unknown as KTable<K, unknown>
    case 'last':
    case 'largest':
      return grouped.reduce(reducerOf(aggregator)!, { ...options, ...commutative }) as unknown as KTable<
        K,
        unknown
      >
    case 'list':
      return grouped.aggregate(
        emptyList,
        (_key, item, list) => listed(aggregator.size, item, list),
        options,
      ) as unknown as KTable<K, unknown>
    case 'stats':
      return grouped.aggregate(emptyStats, withStats, {
        ...options,
        ...commutative,
      }) as unknown as KTable<K, unknown>
  }
}
