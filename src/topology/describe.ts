import { childrenOf, nodeOf, type SubTopology, type Topology, type TopologyNode } from './topology.ts'

/** A node as a person wants to see it. */
export interface NodeDescription {
  readonly name: string
  readonly kind: string
  /** Topics, windows, stores: whatever tells this node from others of its kind. */
  readonly details: readonly string[]
  readonly feeds: readonly string[]
}

export interface SubTopologyDescription {
  readonly id: number
  readonly order: 'canonical' | 'as it comes'
  readonly nodes: readonly NodeDescription[]
  readonly stores: readonly string[]
}

export interface TopologyDescription {
  readonly subTopologies: readonly SubTopologyDescription[]
}

/** The topology as data: what `topology.md` and `millrace topology` show. */
export function describeTopology(topology: Topology): TopologyDescription {
  return { subTopologies: topology.subTopologies.map((part) => describePart(part, topology)) }
}

/** The same as text, in the manner of Kafka Streams' `Topology.describe()`. */
export function describeAsText(description: TopologyDescription): string {
  const lines: string[] = []
  for (const part of description.subTopologies) {
    lines.push(`Sub-topology ${part.id} (records taken ${orderWords(part.order)})`)
    for (const node of part.nodes) {
      const details = node.details.length === 0 ? '' : ` (${node.details.join('; ')})`
      lines.push(`  ${node.kind}: ${node.name}${details}`)
      if (node.feeds.length > 0) lines.push(`    --> ${node.feeds.join(', ')}`)
    }
    for (const store of part.stores) lines.push(`  store: ${store}`)
  }
  return `${lines.join('\n')}\n`
}

function orderWords(order: SubTopologyDescription['order']): string {
  return order === 'canonical' ? 'in canonical order' : 'as they come'
}

function describePart(part: SubTopology, topology: Topology): SubTopologyDescription {
  const received = part.sources.filter((name) => nodeOf(topology, name).type === 'repartition')
  const nodes = part.nodes.map((name) => describeNode(nodeOf(topology, name), topology, 'sending'))
  const inputs = received.map((name) => describeNode(nodeOf(topology, name), topology, 'receiving'))
  return {
    id: part.id,
    order: part.ordered ? 'canonical' : 'as it comes',
    nodes: [...inputs, ...nodes],
    stores: part.stores.map((name) => `${name} (${topology.stores.get(name)!.kind})`),
  }
}

function describeNode(
  node: TopologyNode,
  topology: Topology,
  side: 'sending' | 'receiving',
): NodeDescription {
  const kind = node.type === 'operator' ? node.operator : node.type
  const feeds = side === 'sending' && node.type === 'repartition' ? [] : childrenOf(topology, node.name)
  return { name: node.name, kind, details: detailsOf(node, side), feeds }
}

function detailsOf(node: TopologyNode, side: 'sending' | 'receiving'): readonly string[] {
  switch (node.type) {
    case 'source':
      return [`topics ${node.topics.join(', ')}`, `${node.key.name} -> ${node.value.name}`]
    case 'sink':
      return [`topic ${node.topic}`, `${node.key.name} -> ${node.value.name}`]
    case 'repartition':
      return [`${side === 'sending' ? 'to' : 'from'} topic …-${node.name}-repartition`]
    case 'operator': {
      const details = node.stores.map((store) => `store ${store}`)
      if (node.windowed === undefined) return details
      const { windows, emit, lateTopic } = node.windowed
      details.push(
        `windows of ${windows.sizeMs} ms every ${windows.advanceMs} ms, grace ${windows.graceMs} ms`,
      )
      details.push(emit === 'onWindowClose' ? 'emits on close' : 'emits on update')
      if (lateTopic !== undefined) details.push(`late to ${lateTopic}`)
      return details
    }
  }
}
