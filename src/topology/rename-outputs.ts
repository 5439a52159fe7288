import type { Topology, TopologyNode } from './topology.ts'

/**
 * The same topology with other output topics: `nameOf` is asked for the topic of every sink and of every late side
 * output that is named. Everything else, state and fingerprint included, stays as it is.
 */
export function renameOutputs(topology: Topology, nameOf: (topic: string) => string): Topology {
  const nodes = new Map([...topology.nodes].map(([name, node]) => [name, renamed(node, nameOf)]))
  return { ...topology, nodes }
}

function renamed(node: TopologyNode, nameOf: (topic: string) => string): TopologyNode {
  if (node.type === 'sink') return { ...node, topic: nameOf(node.topic) }
  if (node.type !== 'operator' || node.windowed?.lateTopic === undefined) return node
  return { ...node, windowed: { ...node.windowed, lateTopic: nameOf(node.windowed.lateTopic) } }
}
