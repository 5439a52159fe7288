/**
 * A topology: what is to be computed, as plain data that executes nothing.
 *
 * What lives in `topology/`: the DSL that makes a topology, its validation and description, the operators as RxJS
 * operators, and the ports through which the runtime serves them. What never does: connections, tasks, commits,
 * adapters of logs or stores.
 *
 * Nodes form a directed graph without cycles. A repartition node is where records leave one sub-topology, through a
 * topic, for another; everything else that is connected, by an edge or by a store, is one sub-topology, and is run as
 * one task for each partition of its source topics.
 */
import type { OperatorFunction } from 'rxjs'
import type { Serde } from '../serde/serde.ts'
import type { EmitStrategy } from '../time/emit-strategy.ts'
import type { TimeWindows } from '../time/windows.ts'
import type { ErrorPolicy } from './error-policy.ts'
import type { StageContext } from './stage-context.ts'
import type { StoreSpec } from './stores.ts'
import type { RecordContext, StreamRecord } from './stream-record.ts'

/** The event time of a record in epoch milliseconds; throws, or answers something that is none, for a dead letter. */
export type TimestampExtractor = (value: unknown, key: unknown, record: RecordContext) => number

/** What a sink hashes to find the partition, instead of the key: a text or bytes. */
export type PartitionBy = (key: unknown, value: unknown) => string | Buffer

interface NodeBase {
  /** Unique in the topology. */
  readonly name: string
  /** Names of the nodes that feed this one. */
  readonly parents: readonly string[]
  readonly policy: ErrorPolicy
}

export interface SourceNode extends NodeBase {
  readonly type: 'source'
  readonly topics: readonly string[]
  readonly key: Serde<unknown>
  readonly value: Serde<unknown>
  /** Without one, event time is the record's own timestamp. */
  readonly timestamp: TimestampExtractor | undefined
}

/** Builds the stage's RxJS operator for one task. */
export type BuildOperator = (stage: StageContext) => OperatorFunction<StreamRecord, StreamRecord>

export interface OperatorNode extends NodeBase {
  readonly type: 'operator'
  /** The DSL's word: `filter`, `mapValues`, `aggregate`, … */
  readonly operator: string
  readonly build: BuildOperator
  readonly stores: readonly string[]
  /** Whether results depend on the order of the inputs, so that the task has to take them in canonical order. */
  readonly orderDependent: boolean
  /** For windowed aggregations. */
  readonly windowed: WindowedDetails | undefined
}

export interface WindowedDetails {
  readonly windows: TimeWindows
  readonly emit: EmitStrategy
  /** Topic of the late side output; the application's late topic where undefined. */
  readonly lateTopic: string | undefined
  /** How late records are written. */
  readonly key: Serde<unknown>
  readonly value: Serde<unknown>
}

export interface SinkNode extends NodeBase {
  readonly type: 'sink'
  readonly topic: string
  readonly key: Serde<unknown>
  readonly value: Serde<unknown>
  readonly partitionBy: PartitionBy | undefined
}

export interface RepartitionNode extends NodeBase {
  readonly type: 'repartition'
  readonly key: Serde<unknown>
  readonly value: Serde<unknown>
  /** As many as the sources have, where undefined. */
  readonly partitions: number | undefined
}

export type TopologyNode = SourceNode | OperatorNode | SinkNode | RepartitionNode

/** A connected part, run as one task per partition. Names are node names, in the order of the DSL calls. */
export interface SubTopology {
  readonly id: number
  readonly nodes: readonly string[]
  /** Source nodes, and repartition nodes that feed this part. */
  readonly sources: readonly string[]
  /** Sink nodes, and repartition nodes that this part feeds. */
  readonly sinks: readonly string[]
  readonly stores: readonly string[]
  /** Whether its tasks take records in canonical order. */
  readonly ordered: boolean
}

export interface Topology {
  /** In the order of the DSL calls, which is a topological order. */
  readonly nodes: ReadonlyMap<string, TopologyNode>
  readonly stores: ReadonlyMap<string, StoreSpec>
  readonly subTopologies: readonly SubTopology[]
}

/** A node that must exist. */
export function nodeOf(topology: Topology, name: string): TopologyNode {
  const node = topology.nodes.get(name)
  if (node === undefined) throw new Error(`no node named ${name}`)
  return node
}

/** The names of the nodes that `name` feeds, in order. */
export function childrenOf(topology: Topology, name: string): readonly string[] {
  const children: string[] = []
  for (const node of topology.nodes.values()) {
    if (node.parents.includes(name)) children.push(node.name)
  }
  return children
}

/** All external topics that the topology reads, sorted. */
export function sourceTopicsOf(topology: Topology): readonly string[] {
  const topics = new Set<string>()
  for (const node of topology.nodes.values()) {
    if (node.type === 'source') for (const topic of node.topics) topics.add(topic)
  }
  return [...topics].sort()
}

/** All topics that sinks and late side outputs of the topology name, sorted. */
export function outputTopicsOf(topology: Topology): readonly string[] {
  const topics = new Set<string>()
  for (const node of topology.nodes.values()) {
    if (node.type === 'sink') topics.add(node.topic)
    if (node.type === 'operator' && node.windowed?.lateTopic !== undefined)
      topics.add(node.windowed.lateTopic)
  }
  return [...topics].sort()
}
