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

export class Pipeline {
  private readonly inputs = new Map<string, Subject<StreamRecord>>()
  private readonly outputs = new Map<string, Observable<StreamRecord>>()
  private readonly topology: Topology
  private readonly sinks: PipelineSinks

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
    for (const name of part.nodes) this.addNode(name)
    // Operators with several or no children were subscribed as they were added; what is left hangs on its child.
  }

  /** The way in for the records of a source topic or repartition node. */
  entrance(input: string): Subject<StreamRecord> {
    return this.inputs.get(input)!
  }

  private addNode(name: string): void {
    const node = nodeOf(this.topology, name)
    switch (node.type) {
      case 'source':
        return
      case 'operator':
        return this.addOperator(node)
      case 'sink':
        return this.addEnd(node, this.sinks.sink(node, this.sinks.stageFor(node)))
      case 'repartition':
        return this.addEnd(node, this.sinks.repartition(node, this.sinks.stageFor(node)))
    }
  }

  private addOperator(node: OperatorNode): void {
    const output = this.inputOf(node.parents).pipe(node.build(this.sinks.stageFor(node)))
    if (childrenOf(this.topology, node.name).length === 1 && this.isOnlyParent(node.name)) {
      this.outputs.set(node.name, output)
      return
    }
    const fanOut = new Subject<StreamRecord>()
    this.outputs.set(node.name, fanOut)
    output.subscribe(fanOut)
  }

  /** Whether the one child has no other parent: then it can hang on the operator directly. */
  private isOnlyParent(name: string): boolean {
    const [child] = childrenOf(this.topology, name)
    return child !== undefined && nodeOf(this.topology, child).parents.length === 1
  }

  private addEnd(node: SinkNode | RepartitionNode, take: (record: StreamRecord) => void): void {
    this.inputOf(node.parents).subscribe({ next: take })
  }

  /** What the parents send, in one observable. */
  private inputOf(parents: readonly string[]): Observable<StreamRecord> {
    if (parents.length === 1) return this.outputs.get(parents[0]!)!
    const joined = new Subject<StreamRecord>()
    for (const parent of parents) this.outputs.get(parent)!.subscribe(joined)
    return joined
  }
}
