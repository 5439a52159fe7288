import type { StoreSpec } from './stores.ts'
import type { SubTopology, TopologyNode } from './topology.ts'

/**
 * Splits nodes into connected parts. Edges connect, and so do shared stores; an edge into a repartition node stays
 * within the sender's part, an edge out of it begins the receiver's. Parts are numbered in the order of their first
 * node.
 */
export function splitIntoSubTopologies(
  nodes: ReadonlyMap<string, TopologyNode>,
  stores: ReadonlyMap<string, StoreSpec>,
): readonly SubTopology[] {
  const groups = new DisjointSets()
  for (const node of nodes.values()) {
    for (const parent of node.parents) {
      const fromRepartition = nodes.get(parent)?.type === 'repartition'
      groups.join(sendingSide(node.name), fromRepartition ? receivingSide(parent) : sendingSide(parent))
    }
    if (node.type === 'operator') {
      for (const store of node.stores) groups.join(sendingSide(node.name), `store:${store}`)
    }
  }

  const parts = new Map<string, MutableSubTopology>()
  const partOf = (member: string): MutableSubTopology => {
    const group = groups.find(member)
    let part = parts.get(group)
    if (part === undefined) {
      part = { id: parts.size, nodes: [], sources: [], sinks: [], stores: [], ordered: false }
      parts.set(group, part)
    }
    return part
  }
  for (const node of nodes.values()) placeNode(node, partOf)
  for (const store of stores.keys()) {
    const part = parts.get(groups.find(`store:${store}`))
    if (part !== undefined) part.stores.push(store)
  }
  return [...parts.values()]
}

/**
 * Whether sub-topologies feed each other in a circle, one line for each that is in one. Such a task would wait for
 * markers that are sent only after what it holds back.
 */
export function circlesAmong(parts: readonly SubTopology[]): readonly string[] {
  const receiversOf = (part: SubTopology): readonly SubTopology[] =>
    parts.filter(({ sources }) => sources.some((source) => part.sinks.includes(source)))
  const reaches = (from: SubTopology, to: SubTopology, seen: Set<SubTopology>): boolean =>
    receiversOf(from).some((next) => {
      if (next === to) return true
      if (seen.has(next)) return false
      seen.add(next)
      return reaches(next, to, seen)
    })
  return parts
    .filter((part) => reaches(part, part, new Set()))
    .map(
      ({ nodes }) =>
        `the stages around ${nodes[0]} receive, through a repartition, what they send themselves`,
    )
}

interface MutableSubTopology {
  readonly id: number
  readonly nodes: string[]
  readonly sources: string[]
  readonly sinks: string[]
  readonly stores: string[]
  ordered: boolean
}

function placeNode(node: TopologyNode, partOf: (member: string) => MutableSubTopology): void {
  const part = partOf(sendingSide(node.name))
  part.nodes.push(node.name)
  switch (node.type) {
    case 'source':
      part.sources.push(node.name)
      return
    case 'sink':
      part.sinks.push(node.name)
      return
    case 'operator':
      part.ordered ||= node.orderDependent
      return
    case 'repartition':
      part.sinks.push(node.name)
      partOf(receivingSide(node.name)).sources.push(node.name)
      return
  }
}

function sendingSide(name: string): string {
  return `node:${name}`
}

function receivingSide(name: string): string {
  return `from:${name}`
}

/** Sets that grow together (union-find with path halving). */
class DisjointSets {
  private readonly parents = new Map<string, string>()

  find(member: string): string {
    let current = member
    for (;;) {
      const parent = this.parents.get(current) ?? current
      if (parent === current) return current
      this.parents.set(current, this.parents.get(parent) ?? parent)
      current = parent
    }
  }

  join(one: string, other: string): void {
    this.parents.set(this.find(one), this.find(other))
  }
}
