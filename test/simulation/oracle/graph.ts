/** The stages of a topology taken apart into the nodes that records really pass. */
import type {
  AggregateStage,
  AggregatorSpec,
  DedupeStage,
  DifferenceStage,
  Item,
  OnError,
  PredicateSpec,
  RankingStage,
  SinkStage,
  SourceStage,
  SplitStage,
  StageSpec,
  TopologySpec,
  WindowedStage,
} from '../topology-spec.ts'
import {
  checkedItem,
  copiesOf,
  emptyList,
  emptyStats,
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
} from '../user-functions.ts'

/** The key of a window's result, before it is made a text. */
export interface WindowedKey {
  readonly key: string
  readonly startMs: number
}

export type NodeKey = string | null | WindowedKey

/** What a stateless node makes of a record. */
export type Work = (key: NodeKey, value: unknown) => readonly (readonly [NodeKey, unknown])[]

/** How an aggregate takes in one more value; `aggregate` is undefined for the first. */
export type AggregateStep = (key: string, item: Item, aggregate: unknown) => unknown

interface NodeBase {
  readonly name: string
  readonly onError: OnError
  readonly parents: readonly OracleNode[]
  /** In the order of the DSL calls: a record goes through all behind the first child, then the second … */
  readonly children: OracleNode[]
}

export interface SourceNode extends NodeBase {
  readonly kind: 'source'
  readonly stage: SourceStage
}

export interface StatelessNode extends NodeBase {
  readonly kind: 'stateless'
  readonly work: Work
  /** Made to throw now and then. */
  readonly throws: boolean
}

export interface WindowedNode extends NodeBase {
  readonly kind: 'windowed'
  readonly stage: WindowedStage
  readonly step: AggregateStep
  /** Results on close of an aggregate that is the same in any order. */
  readonly commutative: boolean
}

export interface AggregateNode extends NodeBase {
  readonly kind: 'aggregate'
  readonly stage: AggregateStage
  readonly step: AggregateStep
}

export interface ProcessorNode extends NodeBase {
  readonly kind: 'processor'
  readonly stage: DedupeStage | DifferenceStage | RankingStage
}

export interface RepartitionNode extends NodeBase {
  readonly kind: 'repartition'
  readonly partitions: number | undefined
}

export interface SinkNode extends NodeBase {
  readonly kind: 'sink'
  readonly stage: SinkStage
}

export type OracleNode =
  SourceNode | StatelessNode | WindowedNode | AggregateNode | ProcessorNode | RepartitionNode | SinkNode

/** A stream while the graph is being made: grouping it repartitions where its keys may have changed. */
interface Stream {
  readonly node: OracleNode
  readonly rekeyed: boolean
}

type Details<N> = N extends OracleNode ? Omit<N, keyof NodeBase> : never

/** The nodes in the order of the DSL calls. */
export function graphOf(spec: TopologySpec): readonly OracleNode[] {
  return new GraphMaker().make(spec)
}

class GraphMaker {
  private readonly nodes: OracleNode[] = []
  private readonly streams = new Map<string, Stream>()

  make(spec: TopologySpec): readonly OracleNode[] {
    for (const stage of spec.stages) {
      const inputs = stage.inputs.map((name) => this.stream(name))
      if (stage.kind === 'split') this.addSplit(stage, inputs[0]!)
      else this.streams.set(stage.name, this.addStage(stage, inputs))
    }
    return this.nodes
  }

  private stream(name: string): Stream {
    const found = this.streams.get(name)
    if (found === undefined) throw new Error(`no stream named ${name}`)
    return found
  }

  private add(
    name: string,
    parents: readonly OracleNode[],
    onError: OnError | undefined,
    details: Details<OracleNode>,
  ): OracleNode {
    const node: OracleNode = { name, parents, children: [], onError: onError ?? 'dead-letter', ...details }
    for (const parent of parents) parent.children.push(node)
    this.nodes.push(node)
    return node
  }

  private addStage(stage: Exclude<StageSpec, SplitStage>, inputs: readonly Stream[]): Stream {
    const parents = inputs.map((input) => input.node)
    const before = inputs.some((input) => input.rekeyed)
    const add = (details: Details<OracleNode>): OracleNode =>
      this.add(stage.name, parents, stage.onError, details)
    switch (stage.kind) {
      case 'source':
        return { node: add({ kind: 'source', stage }), rekeyed: false }
      case 'sink':
        return { node: add({ kind: 'sink', stage }), rekeyed: before }
      case 'repartition':
        return { node: add({ kind: 'repartition', partitions: stage.partitions }), rekeyed: false }
      case 'dedupe':
      case 'ranking':
        return { node: add({ kind: 'processor', stage }), rekeyed: before }
      case 'difference':
        return { node: add({ kind: 'processor', stage }), rekeyed: before || stage.key !== undefined }
      case 'windowed':
        return this.addWindowed(stage, inputs[0]!)
      case 'aggregate':
        return this.addAggregate(stage, inputs[0]!)
      default: {
        const rekeys = ['map', 'flatMap', 'selectKey', 'pipe'].includes(stage.kind)
        return {
          node: add({ kind: 'stateless', work: workOf(stage), throws: 'failWhen' in stage }),
          rekeyed: before || rekeys,
        }
      }
    }
  }

  private addSplit(stage: SplitStage, input: Stream): void {
    const addBranch = (name: string, takes: (item: Item) => boolean): void => {
      const work: Work = (key, value) => (takes(value as Item) ? [[key, value]] : [])
      const full = `${stage.name}-${name}`
      const node = this.add(full, [input.node], stage.onError, { kind: 'stateless', work, throws: false })
      this.streams.set(full, { node, rekeyed: input.rekeyed })
    }
    const firstOf = (item: Item): number =>
      stage.branches.findIndex(({ predicate }) => holds(predicate, item))
    for (const [at, { name }] of stage.branches.entries()) addBranch(name, (item) => firstOf(item) === at)
    if (stage.defaultBranch !== undefined) addBranch(stage.defaultBranch, (item) => firstOf(item) < 0)
  }

  /** The stream with its new key, through a repartition where one is needed. */
  private group(stage: WindowedStage | AggregateStage, input: Stream): OracleNode {
    let { node, rekeyed } = input
    const { name, group } = stage
    if (group !== undefined) {
      const work: Work = (key, value) => [[newKey(group, key as string | null, value as Item), value]]
      node = this.add(`${name}-by`, [node], undefined, { kind: 'stateless', work, throws: false })
      rekeyed = true
    }
    if (!rekeyed) return node
    return this.add(`${name}-repartition`, [node], undefined, { kind: 'repartition', partitions: undefined })
  }

  private addWindowed(stage: WindowedStage, input: Stream): Stream {
    const { name, aggregator, emit } = stage
    const declared = 'commutative' in aggregator ? aggregator.commutative : aggregator.by === 'count'
    const operator = this.add(name, [this.group(stage, input)], stage.onError, {
      kind: 'windowed',
      stage,
      step: stepOf(aggregator),
      commutative: declared && emit === 'onWindowClose',
    })
    const toText: Work = (key, value) => {
      const windowed = key as WindowedKey
      return [[windowKey(windowed.key, windowed.startMs), value]]
    }
    const keyed = this.add(`${name}-key`, [operator], undefined, {
      kind: 'stateless',
      work: toText,
      throws: false,
    })
    return { node: this.addItem(name, keyed), rekeyed: true }
  }

  private addAggregate(stage: AggregateStage, input: Stream): Stream {
    const operator = this.add(stage.name, [this.group(stage, input)], stage.onError, {
      kind: 'aggregate',
      stage,
      step: stepOf(stage.aggregator),
    })
    return { node: this.addItem(stage.name, operator), rekeyed: false }
  }

  private addItem(name: string, parent: OracleNode): OracleNode {
    const work: Work = (key, value) => [[key, itemOf(key as string, value)]]
    return this.add(`${name}-item`, [parent], undefined, { kind: 'stateless', work, throws: false })
  }
}

type StatelessStage = Exclude<
  StageSpec,
  { kind: 'source' | 'sink' | 'repartition' | 'windowed' | 'aggregate' | 'split' } | ProcessorNode['stage']
>

/** What a stateless stage makes of a record. */
function workOf(stage: StatelessStage): Work {
  const each = (work: (key: string | null, item: Item) => ReturnType<Work>): Work => {
    return (key, value) => work(key as string | null, value as Item)
  }
  const when = (predicate: PredicateSpec, wanted: boolean): Work =>
    each((key, item) => (holds(predicate, item) === wanted ? [[key, item]] : []))
  switch (stage.kind) {
    case 'check':
      return (key, value) => [[key, checkedItem(value)]]
    case 'filter':
      return when(stage.predicate, true)
    case 'filterNot':
      return when(stage.predicate, false)
    case 'map':
      return each((key, item) => [[newKey(stage.key, key, item), marked(item, stage.name, 0)]])
    case 'mapValues':
      return each((key, item) => [[key, marked(item, stage.name, stage.add)]])
    case 'flatMap':
      return each((key, item) =>
        copiesOf(item, item.n % stage.copies).map((copy) => [newKey(stage.key, key, copy), copy]),
      )
    case 'flatMapValues':
      return each((key, item) => copiesOf(item, item.n % stage.copies).map((copy) => [key, copy]))
    case 'selectKey':
      return each((key, item) => [[newKey(stage.key, key, item), item]])
    case 'peek':
    case 'failing':
      return each((key, item) => {
        failWhen(stage.failWhen, item)
        return [[key, item]]
      })
    case 'merge':
      return (key, value) => [[key, value]]
    case 'pipe':
      return each((key, item) =>
        buffersOf(item, stage).map((value) => [newKey(stage.key, key, value), value]),
      )
    case 'pipeValues':
      return each((key, item) => buffersOf(item, stage).map((value) => [key, value]))
  }
}

/**
 * mergeMap, bufferCount and map of one record: the copies in groups of `size`, the last one maybe smaller.
 */
function buffersOf(item: Item, stage: { readonly copies: number; readonly size: number }): readonly Item[] {
  const copies = copiesOf(item, 1 + (item.n % stage.copies))
  const buffers: Item[] = []
  for (let at = 0; at < copies.length; at += stage.size)
    buffers.push(joined(copies.slice(at, at + stage.size)))
  return buffers
}

function stepOf(spec: AggregatorSpec): AggregateStep {
  switch (spec.by) {
    case 'count':
      return (_key, _item, count) => ((count as number | undefined) ?? 0) + 1
    case 'last':
    case 'largest': {
      const reduce = reducerOf(spec)!
      return (_key, item, aggregate) => (aggregate === undefined ? item : reduce(aggregate as Item, item))
    }
    case 'list':
      return (_key, item, list) => listed(spec.size, item, (list as never) ?? emptyList())
    case 'stats':
      return (key, item, stats) => withStats(key, item, (stats as never) ?? emptyStats())
  }
}
