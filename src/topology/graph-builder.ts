import { TopologyError } from '../errors.ts'
import { circlesAmong, splitIntoSubTopologies } from './sub-topologies.ts'
import type { StoreSpec } from './stores.ts'
import type { Topology, TopologyNode } from './topology.ts'
import { validateTopology } from './validation.ts'

/** Collects nodes and stores while the DSL is called. Problems are kept until `build`, so that all are told at once. */
export class GraphBuilder {
  private readonly nodes = new Map<string, TopologyNode>()
  private readonly stores = new Map<string, StoreSpec>()
  private readonly problems: string[] = []
  private nodeCount = 0

  /** The given name, or `prefix-n` with a number that counts all nodes of the topology. */
  nameFor(prefix: string, given: string | undefined): string {
    this.nodeCount++
    return given ?? `${prefix}-${String(this.nodeCount).padStart(2, '0')}`
  }

  addNode(node: TopologyNode): void {
    if (this.nodes.has(node.name)) this.problems.push(`two stages are named "${node.name}"`)
    this.nodes.set(node.name, node)
  }

  addStore(store: StoreSpec): void {
    const earlier = this.stores.get(store.name)
    if (earlier === store) return
    if (earlier !== undefined) this.problems.push(`two stores are named "${store.name}"`)
    this.stores.set(store.name, store)
  }

  addProblem(problem: string): void {
    this.problems.push(problem)
  }

  build(): Topology {
    validateTopology(this.nodes, this.stores, this.problems)
    const subTopologies = splitIntoSubTopologies(this.nodes, this.stores)
    const circles = circlesAmong(subTopologies)
    if (circles.length > 0) throw new TopologyError(circles)
    return { nodes: new Map(this.nodes), stores: new Map(this.stores), subTopologies }
  }
}
