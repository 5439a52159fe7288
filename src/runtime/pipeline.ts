/**
 * The RxJS graph of one task: a Subject per input, the operators of its sub-topology between, sinks at the ends. The
 * only place that subscribes. Everything runs synchronously inside `next`; observables neither complete nor fail.
 */
import { Subject, type Observable } from 'rxjs'
import type { StageContext } from '../topology/stage-context.ts'
import type { StreamRecord } from '../topology/stream-record.ts'
import {
  childrenOf,
  nodeOf,
  type OperatorNode,
  type RepartitionNode,
  type SinkNode,
  type SubTopology,
  type Topology,
} from '../topology/topology.ts'

/** What the ends of a graph do with a record. */
export interface PipelineSinks {
  stageFor(node: OperatorNode | SinkNode | RepartitionNode): StageContext
  sink(node: SinkNode, stage: StageContext): (record: StreamRecord) => void
  repartition(node: RepartitionNode, stage: StageContext): (record: StreamRecord) => void
}

interface Subscription {
  /** The place, among the nodes, of the first one behind the subject that it is a subscription to. */
  readonly head: number
  subscribe(): void
}

export class Pipeline {
  private readonly inputs = new Map<string, Subject<StreamRecord>>()
  private readonly outputs = new Map<string, Observable<StreamRecord>>()
  private readonly topology: Topology
  private readonly sinks: PipelineSinks
  /** Operators that no subject follows: the head of the chain that each is part of. */
  private readonly chained = new Map<string, number>()
  private readonly subscriptions: Subscription[] = []

  /** Builds and subscribes the graph; operators are built in the order of the topology. */
  constructor(part: SubTopology, topology: Topology, sinks: PipelineSinks) {
    this.topology = topology
    this.sinks = sinks
    for (const name of part.sources) {
      const entrance = new Subject<StreamRecord>()
      const node = nodeOf(topology, name)
      const names = node.type === 'source' ? node.topics : [name]
      for (const input of names) this.inputs.set(input, entrance)
      this.outputs.set(name, entrance)
    }
    part.nodes.forEach((name, place) => this.addNode(name, place))
    // A subject calls its subscribers in the order of their subscriptions: branches are worked in the order in which
    // they were written, although a chain is subscribed to only where it ends.
    this.subscriptions.sort((one, other) => one.head - other.head)
    for (const subscription of this.subscriptions) subscription.subscribe()
  }

  /** The way in for the records of a source topic or repartition node. */
  entrance(input: string): Subject<StreamRecord> {
    return this.inputs.get(input)!
  }

  private addNode(name: string, place: number): void {
    const node = nodeOf(this.topology, name)
    switch (node.type) {
      case 'source':
        return
      case 'operator':
        return this.addOperator(node, place)
      case 'sink':
        return this.addEnd(node, place, this.sinks.sink(node, this.sinks.stageFor(node)))
      case 'repartition':
        return this.addEnd(node, place, this.sinks.repartition(node, this.sinks.stageFor(node)))
    }
  }

  private addOperator(node: OperatorNode, place: number): void {
    const { input, head } = this.inputOf(node.parents, place)
    const output = input.pipe(node.build(this.sinks.stageFor(node)))
    if (childrenOf(this.topology, node.name).length === 1 && this.isOnlyParent(node.name)) {
      this.outputs.set(node.name, output)
      this.chained.set(node.name, head)
      return
    }
    const fanOut = new Subject<StreamRecord>()
    this.outputs.set(node.name, fanOut)
    this.subscriptions.push({ head, subscribe: () => void output.subscribe(fanOut) })
  }

  /** Whether the one child has no other parent: then it can hang on the operator directly. */
  private isOnlyParent(name: string): boolean {
    const [child] = childrenOf(this.topology, name)
    return child !== undefined && nodeOf(this.topology, child).parents.length === 1
  }

  private addEnd(
    node: SinkNode | RepartitionNode,
    place: number,
    take: (record: StreamRecord) => void,
  ): void {
    const { input, head } = this.inputOf(node.parents, place)
    this.subscriptions.push({ head, subscribe: () => void input.subscribe({ next: take }) })
  }

  /** What the parents send, in one observable, for the node at `place`. */
  private inputOf(
    parents: readonly string[],
    place: number,
  ): { readonly input: Observable<StreamRecord>; readonly head: number } {
    const headOf = (parent: string): number => this.chained.get(parent) ?? place
    if (parents.length === 1) return { input: this.outputs.get(parents[0]!)!, head: headOf(parents[0]!) }
    const joined = new Subject<StreamRecord>()
    for (const parent of parents) {
      const output = this.outputs.get(parent)!
      this.subscriptions.push({ head: headOf(parent), subscribe: () => void output.subscribe(joined) })
    }
    return { input: joined, head: place }
  }
}
