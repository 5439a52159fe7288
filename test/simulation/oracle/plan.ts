/**
 * What is known of a topology before any record: its sub-topologies, their tasks, the channels of each task,
 * and how many partitions everything has.
 */
import type { TopologySpec } from '../topology-spec.ts'
import { graphOf, type OracleNode, type RepartitionNode, type SourceNode } from './graph.ts'

/** A connected part of the graph, run as one task per partition. */
export interface SubTopology {
  readonly id: number
  readonly nodes: readonly OracleNode[]
  readonly sources: readonly SourceNode[]
  /** Repartition nodes that feed it; those it feeds are among its nodes. */
  readonly receives: readonly RepartitionNode[]
  readonly tasks: number
  /** Whether its tasks take records in canonical order. */
  readonly ordered: boolean
}

/** Where records come from, as seen through any number of repartitions. */
export interface Origin {
  /** A source topic, or `results:<operator>`. */
  readonly topic: string
  readonly partition: number
  /** The tasks that sent the records on, behind the first repartition. */
  readonly path: readonly string[]
}

/** One input of a task. */
export interface ChannelPlan {
  readonly number: number
  readonly origin: Origin
  /** Name of the topic, or of the repartition node. */
  readonly input: string
  readonly node: SourceNode | RepartitionNode
}

/** One origin as a text. */
export function originKey(origin: Origin): string {
  return [origin.topic, origin.partition, ...origin.path].join('/')
}

/** Name of a task. */
export function taskName(subTopology: SubTopology, partition: number): string {
  return `${subTopology.id}_${partition}`
}

/** Where a repartition's records come from inside its sender, and the graces of updates on the way. */
export interface RepartitionEnd {
  readonly node: OracleNode
  /**
   * Sum of the graces of windows that send updates, between the end and the repartition; the largest of all
   * ways.
   */
  readonly updateGraceMs: number
}

/**
 * The plan of a topology. Throws where sub-topologies feed each other in a circle. `doubts` names what the
 * rules leave open; the generator avoids it.
 */
export class Plan {
  readonly nodes: readonly OracleNode[]
  /** By id. */
  readonly subTopologies: readonly SubTopology[]
  /** Senders before receivers. */
  readonly order: readonly SubTopology[]
  /** Of every topic that outputs go to: as many partitions as the largest source topic. */
  readonly outputPartitions: number
  readonly doubts: readonly string[]
  private readonly topicPartitions: ReadonlyMap<string, number>
  private readonly partOf = new Map<OracleNode, number>()
  private readonly repartitionCounts = new Map<OracleNode, number>()
  private readonly originLists = new Map<OracleNode, readonly Origin[]>()
  private readonly finished = new Map<number, SubTopology>()

  constructor(spec: TopologySpec, topicPartitions: ReadonlyMap<string, number>) {
    this.nodes = graphOf(spec)
    this.topicPartitions = topicPartitions
    this.outputPartitions = Math.max(...topicPartitions.values())
    const parts = partsOf(this.nodes)
    for (const [id, part] of parts.entries()) for (const node of part) this.partOf.set(node, id)
    const ids = this.sendersFirst(parts)
    const made = new Map<number, SubTopology>()
    for (const id of ids) made.set(id, this.subTopology(id, parts[id]!))
    this.order = [...made.values()]
    this.subTopologies = parts.map((_, id) => made.get(id)!)
    this.doubts = this.findDoubts()
  }

  /** The sub-topology of a node; of a repartition node, its sender. */
  senderOf(node: OracleNode): SubTopology {
    return this.subTopologies[this.partOf.get(node)!]!
  }

  /** How many partitions a source topic or repartition has. */
  partitionsOf(input: string | RepartitionNode): number {
    const found =
      typeof input === 'string' ? this.topicPartitions.get(input) : this.repartitionCounts.get(input)
    if (found === undefined)
      throw new Error(`partitions of ${typeof input === 'string' ? input : input.name}?`)
    return found
  }

  /** The channels of a task, numbered in the order (origin topic, origin partition, input, path). */
  channelsOf(subTopology: SubTopology, partition: number): readonly ChannelPlan[] {
    const channels: Omit<ChannelPlan, 'number'>[] = []
    for (const node of subTopology.sources) {
      for (const topic of node.stage.topics) {
        if (partition >= this.partitionsOf(topic)) continue
        channels.push({ origin: { topic, partition, path: [] }, input: topic, node })
      }
    }
    for (const node of subTopology.receives) {
      if (partition >= this.partitionsOf(node)) continue
      for (const origin of this.originsOf(node)) channels.push({ origin, input: node.name, node })
    }
    return channels.sort(compareChannels).map((channel, number) => ({ ...channel, number }))
  }

  /** Where the records of a repartition come from, inside its sender. */
  endsOf(repartition: RepartitionNode): readonly RepartitionEnd[] {
    const graces = this.endGraces(repartition)
    return [...graces].map(([node, sums]) => ({ node, updateGraceMs: Math.max(...sums) }))
  }

  /** Largest sum of graces of windowed operators above a node, within its sub-topology. */
  pathGraceMs(node: OracleNode): number {
    const above = node.parents.map((parent) => {
      if (parent.kind === 'repartition') return 0
      return this.pathGraceMs(parent) + (parent.kind === 'windowed' ? parent.stage.windows.graceMs : 0)
    })
    return Math.max(0, ...above)
  }

  private endGraces(repartition: RepartitionNode): ReadonlyMap<OracleNode, ReadonlySet<number>> {
    const graces = new Map<OracleNode, Set<number>>()
    const climb = (node: OracleNode, graceMs: number): void => {
      const updates = node.kind === 'windowed' && node.stage.emit === 'onWindowUpdate'
      const isEnd = node.kind === 'source' || node.kind === 'repartition' || node.kind === 'windowed'
      if (isEnd && !updates) {
        graces.set(node, (graces.get(node) ?? new Set()).add(graceMs))
        return
      }
      const added = updates ? node.stage.windows.graceMs : 0
      for (const parent of node.parents) climb(parent, graceMs + added)
    }
    for (const parent of repartition.parents) climb(parent, 0)
    return graces
  }

  private originsOf(repartition: RepartitionNode): readonly Origin[] {
    const known = this.originLists.get(repartition)
    if (known !== undefined) return known
    const sender = this.senderOf(repartition)
    const origins = this.endsOf(repartition).flatMap(({ node }) => this.originsOfEnd(sender, node))
    this.originLists.set(repartition, origins)
    return origins
  }

  private originsOfEnd(sender: SubTopology, end: OracleNode): readonly Origin[] {
    const upTo = (count: number): number[] => Array.from({ length: count }, (_, partition) => partition)
    if (end.kind === 'source') {
      return end.stage.topics.flatMap((topic) =>
        upTo(this.partitionsOf(topic)).map((partition) => ({ topic, partition, path: [] })),
      )
    }
    if (end.kind === 'repartition') {
      const origins = this.originsOf(end)
      return upTo(this.partitionsOf(end)).flatMap((partition) =>
        origins.map((origin) => ({ ...origin, path: [...origin.path, taskName(sender, partition)] })),
      )
    }
    return upTo(sender.tasks).map((partition) => ({ topic: `results:${end.name}`, partition, path: [] }))
  }

  private sendersFirst(parts: readonly (readonly OracleNode[])[]): readonly number[] {
    const order: number[] = []
    const entered = new Set<number>()
    const visit = (id: number): void => {
      if (order.includes(id)) return
      if (entered.has(id)) throw new Error('sub-topologies feed each other in a circle')
      entered.add(id)
      for (const sent of receivedBy(parts[id]!)) visit(this.partOf.get(sent)!)
      order.push(id)
    }
    for (const id of parts.keys()) visit(id)
    return order
  }

  private subTopology(id: number, nodes: readonly OracleNode[]): SubTopology {
    const sources = nodes.filter((node) => node.kind === 'source')
    const receives = receivedBy(nodes)
    const fromTopics = sources.flatMap((node) => node.stage.topics.map((topic) => this.partitionsOf(topic)))
    const declared = receives.flatMap((node) => node.partitions ?? [])
    const others = Math.max(0, ...fromTopics, ...declared)
    for (const node of receives) {
      const partitions = node.partitions ?? (others > 0 ? others : this.senderOfPart(node).tasks)
      this.repartitionCounts.set(node, partitions)
    }
    const tasks = Math.max(...fromTopics, ...receives.map((node) => this.partitionsOf(node)))
    const made = { id, nodes, sources, receives, tasks, ordered: nodes.some(needsOrder) }
    this.finished.set(id, made)
    return made
  }

  private senderOfPart(node: OracleNode): SubTopology {
    return this.finished.get(this.partOf.get(node)!)!
  }

  private findDoubts(): readonly string[] {
    const doubts: string[] = []
    for (const { id, nodes, sources, receives } of this.subTopologies) {
      const counts = [...sources.flatMap((node) => node.stage.topics), ...receives].map((input) =>
        this.partitionsOf(input),
      )
      if (new Set(counts).size > 1 && nodes.some(hasState)) doubts.push(`${id} is not co-partitioned`)
      if (receives.filter((node) => node.partitions === undefined).length > 1) {
        doubts.push(`${id} has several repartition inputs whose partitions are not declared`)
      }
    }
    for (const node of this.nodes) {
      if (node.kind !== 'repartition') continue
      if (node.children.length === 0) doubts.push(`nobody reads ${node.name}`)
      if ([...this.endGraces(node).values()].some((sums) => sums.size > 1)) {
        doubts.push(`records of one origin reach ${node.name} with and without waiting for updates`)
      }
      const origins = this.originsOf(node).map(originKey)
      if (new Set(origins).size < origins.length) doubts.push(`two channels of ${node.name} have one name`)
    }
    return doubts
  }
}

/** Whether a node keeps anything between records. */
function hasState(node: OracleNode): boolean {
  return node.kind === 'windowed' || node.kind === 'aggregate' || node.kind === 'processor'
}

function needsOrder(node: OracleNode): boolean {
  return hasState(node) && !(node.kind === 'windowed' && node.commutative)
}

/** The repartition nodes that feed a part: its nodes' parents of that kind. */
function receivedBy(nodes: readonly OracleNode[]): readonly RepartitionNode[] {
  const parents = nodes.flatMap((node) => node.parents).filter((parent) => parent.kind === 'repartition')
  return [...new Set(parents)]
}

/**
 * The nodes in connected parts. An edge connects, but not the edge out of a repartition; the readers of one
 * repartition belong together, and so do the users of one store. Parts are in the order of their first node,
 * where a repartition counts as a node of its sender and of its receiver.
 */
function partsOf(nodes: readonly OracleNode[]): readonly (readonly OracleNode[])[] {
  const part = new Map<OracleNode, number>([...nodes.entries()].map(([at, node]) => [node, at]))
  const connect = (left: OracleNode, right: OracleNode): void => {
    const [keep, drop] = [part.get(left)!, part.get(right)!].sort((one, other) => one - other)
    for (const node of nodes) if (part.get(node) === drop) part.set(node, keep!)
  }
  const storeUsers = new Map<string, OracleNode>()
  for (const node of nodes) {
    for (const parent of node.parents) {
      connect(node, parent.kind === 'repartition' ? parent.children[0]! : parent)
    }
    if (node.kind !== 'processor') continue
    connect(node, storeUsers.get(node.stage.store) ?? node)
    storeUsers.set(node.stage.store, node)
  }
  const parts = [...new Set(part.values())].map((number) => nodes.filter((node) => part.get(node) === number))
  const firstOf = (members: readonly OracleNode[]): number =>
    nodes.findIndex((node) => members.includes(node) || receivedBy(members).some((input) => input === node))
  return parts.sort((one, other) => firstOf(one) - firstOf(other))
}

function compareChannels(left: Omit<ChannelPlan, 'number'>, right: Omit<ChannelPlan, 'number'>): number {
  return (
    compareTexts(left.origin.topic, right.origin.topic) ||
    left.origin.partition - right.origin.partition ||
    compareTexts(left.input, right.input) ||
    compareTexts(left.origin.path.join('/'), right.origin.path.join('/'))
  )
}

function compareTexts(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0
}
