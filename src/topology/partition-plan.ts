import { TopologyError } from '../errors.ts'
import { inputsOf, taskCountOf, type PartitionCounts } from './channels.ts'
import { nodeOf, type RepartitionNode, type SubTopology, type Topology } from './topology.ts'

/** How many partitions everything has, and so how many tasks there are. */
export interface PartitionPlan {
  /** Source topics by name, repartition nodes by node name. */
  readonly counts: PartitionCounts
  /** Tasks of each sub-topology, by its id. */
  readonly tasks: readonly number[]
}

/**
 * Decides the partition counts of repartition topics and checks co-partitioning.
 *
 * A repartition topic has as many partitions as its declaration says, else as the other inputs of its receiver, else
 * as the largest input of its sender. All inputs of a sub-topology with state must have equally many partitions.
 * Throws one `TopologyError` with all problems.
 */
export function planPartitions(topology: Topology, sourceCounts: PartitionCounts): PartitionPlan {
  const counts = new Map(sourceCounts)
  for (const node of topology.nodes.values()) {
    if (node.type === 'repartition' && node.partitions !== undefined) counts.set(node.name, node.partitions)
  }
  // Sub-topologies are numbered by their first node, so a receiver may come before its sender: repeat until settled.
  for (let settled = false; !settled;) {
    settled = true
    for (const node of topology.nodes.values()) {
      if (node.type !== 'repartition' || counts.has(node.name)) continue
      const count = countFor(node, topology, counts)
      if (count !== undefined) {
        counts.set(node.name, count)
        settled = false
      }
    }
  }
  const problems = topology.subTopologies.flatMap((part) => coPartitioningProblems(part, topology, counts))
  if (problems.length > 0) throw new TopologyError(problems)
  return { counts, tasks: topology.subTopologies.map((part) => taskCountOf(part, topology, counts)) }
}

function countFor(node: RepartitionNode, topology: Topology, counts: PartitionCounts): number | undefined {
  const receiver = topology.subTopologies.find(({ sources }) => sources.includes(node.name))
  const siblings =
    receiver === undefined ? [] : inputsOf(receiver, topology).map(({ name }) => counts.get(name))
  const ofSiblings = siblings.find((count) => count !== undefined)
  if (ofSiblings !== undefined) return ofSiblings
  const sender = topology.subTopologies.find(({ nodes }) => nodes.includes(node.name))!
  const inputs = inputsOf(sender, topology).map(({ name }) => counts.get(name))
  if (inputs.some((count) => count === undefined)) return undefined
  return Math.max(...inputs.map((count) => count ?? 0))
}

function coPartitioningProblems(part: SubTopology, topology: Topology, counts: PartitionCounts): string[] {
  if (part.stores.length === 0) return []
  const inputs = inputsOf(part, topology)
  const distinct = new Set(inputs.map(({ name }) => counts.get(name)))
  if (distinct.size <= 1) return []
  const told = inputs.map(({ name, isRepartition }) => {
    const label =
      isRepartition && nodeOf(topology, name).type === 'repartition' ? `repartition ${name}` : name
    return `${label} has ${counts.get(name)}`
  })
  return [`inputs that share state must have equally many partitions: ${told.join(', ')}`]
}
