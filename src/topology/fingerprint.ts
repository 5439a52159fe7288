import { nodeOf, type Topology, type TopologyNode } from './topology.ts'
import type { StoreSpec } from './stores.ts'

/**
 * What must be the same for state, repartition topics and positions to be of use: names and values, in a fixed order.
 * Functions cannot be compared, and stateless stages do not matter.
 */
export type Fingerprint = Readonly<Record<string, string>>

/** The fingerprint of a topology; partition counts are added by the runtime, which knows them. */
export function fingerprintOf(topology: Topology): Fingerprint {
  const facts: Record<string, string> = {}
  for (const part of topology.subTopologies) {
    const sources = part.sources.flatMap((name) => {
      const node = nodeOf(topology, name)
      return node.type === 'source' ? node.topics : [`repartition ${name}`]
    })
    facts[`sub-topology ${part.id}, inputs`] = sources.join(', ')
    facts[`sub-topology ${part.id}, stores`] = part.stores.join(', ')
  }
  for (const node of topology.nodes.values()) describeNode(node, facts)
  for (const store of topology.stores.values()) describeStore(store, facts)
  return facts
}

/** What differs, one line each: `window of hourly, size (ms): was 600000, is 3600000`. Empty when equal. */
export function differencesBetween(was: Fingerprint, is: Fingerprint): readonly string[] {
  const names = [...new Set([...Object.keys(was), ...Object.keys(is)])]
  return names
    .filter((name) => was[name] !== is[name])
    .map((name) => `${name}: was ${was[name] ?? 'absent'}, is ${is[name] ?? 'absent'}`)
}

function describeNode(node: TopologyNode, facts: Record<string, string>): void {
  if (node.type === 'repartition') {
    facts[`repartition ${node.name}, serdes`] = `${node.key.name} -> ${node.value.name}`
  }
  if (node.type !== 'operator' || node.stores.length === 0) return
  facts[`stage ${node.name}`] = `${node.operator} on ${node.stores.join(', ')}`
  if (node.windowed === undefined) return
  const { windows, emit } = node.windowed
  facts[`window of ${node.name}, size (ms)`] = String(windows.sizeMs)
  facts[`window of ${node.name}, advance (ms)`] = String(windows.advanceMs)
  facts[`window of ${node.name}, grace (ms)`] = String(windows.graceMs)
  facts[`window of ${node.name}, emit`] = emit
}

function describeStore(store: StoreSpec, facts: Record<string, string>): void {
  facts[`store ${store.name}, kind`] = store.kind
  facts[`store ${store.name}, serdes`] = `${store.key.name} -> ${store.value.name}`
  if (store.kind === 'key-value' && store.ttlMs !== undefined) {
    facts[`store ${store.name}, ttl (ms)`] = String(store.ttlMs)
  }
}
