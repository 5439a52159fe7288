import { TopologyError } from '../errors.ts'
import type { StoreSpec } from './stores.ts'
import type { TopologyNode } from './topology.ts'

const LEGAL_NAME = /^[A-Za-z0-9._-]{1,200}$/

/** Whether a name may become part of a topic name. */
export function isLegalName(name: string): boolean {
  return LEGAL_NAME.test(name) && name !== '.' && name !== '..'
}

/** Checks everything that can be known before the log is asked; throws one `TopologyError` with all problems. */
export function validateTopology(
  nodes: ReadonlyMap<string, TopologyNode>,
  stores: ReadonlyMap<string, StoreSpec>,
  earlierProblems: readonly string[],
): void {
  const problems = [...earlierProblems]
  if (![...nodes.values()].some((node) => node.type === 'source')) {
    problems.push('it has no source: call stream(topic) first')
  }
  checkNames(nodes, stores, problems)
  checkTopics(nodes, problems)
  checkStores(nodes, stores, problems)
  for (const node of nodes.values()) {
    checkPartitions(node, problems)
    checkPolicy(node, problems)
  }
  if (problems.length > 0) throw new TopologyError(problems)
}

function checkNames(
  nodes: ReadonlyMap<string, TopologyNode>,
  stores: ReadonlyMap<string, StoreSpec>,
  problems: string[],
): void {
  for (const name of [...nodes.keys(), ...stores.keys()]) {
    if (!isLegalName(name)) {
      problems.push(`"${name}" cannot be a name: use 1 to 200 letters, digits, ".", "_" or "-"`)
    }
  }
  for (const node of nodes.values()) {
    const topics = topicsOf(node).filter((topic) => !isLegalName(topic))
    for (const topic of topics) problems.push(`${node.name}: "${topic}" cannot be a topic name`)
  }
}

function topicsOf(node: TopologyNode): readonly string[] {
  switch (node.type) {
    case 'source':
      return node.topics
    case 'sink':
      return [node.topic]
    case 'operator':
      return node.windowed?.lateTopic === undefined ? [] : [node.windowed.lateTopic]
    case 'repartition':
      return []
  }
}

function checkTopics(nodes: ReadonlyMap<string, TopologyNode>, problems: string[]): void {
  const readBy = new Map<string, string>()
  for (const node of nodes.values()) {
    if (node.type !== 'source') continue
    if (node.topics.length === 0) problems.push(`${node.name}: names no topic to read`)
    for (const topic of node.topics) {
      const earlier = readBy.get(topic)
      if (earlier !== undefined) {
        problems.push(
          `topic ${topic} is read by ${earlier} and again by ${node.name}: read it once and branch`,
        )
      }
      readBy.set(topic, node.name)
    }
  }
  for (const node of nodes.values()) {
    if (node.type === 'source') continue
    if (node.type === 'repartition' && readBy.has(node.name)) {
      problems.push(`${node.name}: a repartition cannot have the name of a topic that is read`)
    }
    for (const topic of topicsOf(node)) {
      if (readBy.has(topic))
        problems.push(`${node.name}: writes topic ${topic}, which the topology reads: an endless loop`)
    }
  }
}

function checkStores(
  nodes: ReadonlyMap<string, TopologyNode>,
  stores: ReadonlyMap<string, StoreSpec>,
  problems: string[],
): void {
  const used = new Set<string>()
  for (const node of nodes.values()) {
    if (node.type !== 'operator') continue
    for (const store of node.stores) {
      used.add(store)
      if (!stores.has(store)) problems.push(`${node.name}: there is no store named "${store}"`)
    }
  }
  for (const [name, spec] of stores) {
    if (!used.has(name)) problems.push(`store "${name}" is not connected to any stage`)
    if (
      spec.kind === 'key-value' &&
      spec.ttlMs !== undefined &&
      !(Number.isInteger(spec.ttlMs) && spec.ttlMs > 0)
    ) {
      problems.push(`store "${name}": ttlMs must be a positive integer of milliseconds, not ${spec.ttlMs}`)
    }
  }
}

function checkPartitions(node: TopologyNode, problems: string[]): void {
  if (node.type !== 'repartition' || node.partitions === undefined) return
  if (!Number.isInteger(node.partitions) || node.partitions < 1) {
    problems.push(`${node.name}: partitions must be an integer of at least 1, not ${node.partitions}`)
  }
}

function checkPolicy(node: TopologyNode, problems: string[]): void {
  const { retry } = node.policy
  if (retry === undefined) return
  if (!Number.isInteger(retry.retries) || retry.retries < 1) {
    problems.push(`${node.name}: retries must be an integer of at least 1, not ${retry.retries}`)
  }
  for (const field of ['initialBackoffMs', 'maxBackoffMs'] as const) {
    const value = retry[field]
    if (value !== undefined && !(value > 0))
      problems.push(`${node.name}: ${field} must be positive, not ${value}`)
  }
}
