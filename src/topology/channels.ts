/**
 * Which ordered streams reach which task: pure enumeration from a topology and the partition counts of its topics.
 *
 * A **channel** is one ordered stream of records with a watermark of its own. A task that reads a source partition has
 * one channel for it. A task that reads a repartition partition has one for each **origin** whose records arrive
 * interleaved there: each source partition of the sender's side, or, for the results of windows that close, each
 * emitting task. Where records pass several repartitions, the tasks in between are part of the channel's identity
 * (`path`), since each keeps its own order.
 *
 * Channels are known from metadata alone, never learned from records, so a receiver knows whom it waits for. Their
 * order is the canonical tie-break: (origin topic, origin partition, input, path).
 */
import { nodeOf, type SubTopology, type Topology } from './topology.ts'

/** Where a channel's records and watermark come from. */
export interface Origin {
  /** A source topic, or `results:<operator>` for the results of a windowed operator. */
  readonly topic: string
  /** The source partition, or the emitting task's partition. */
  readonly partition: number
}

export interface Channel {
  readonly origin: Origin
  /** The hops in between, earliest first: which task sent the records on into which repartition node. */
  readonly path: readonly { readonly repartition: string; readonly task: number }[]
}

/** A channel as a task has it: through which of its inputs. */
export interface TaskChannel extends Channel {
  /** A source topic, or the name of a repartition node. */
  readonly input: string
  readonly isRepartition: boolean
  /** Number of the channel within that input: index into `channelsInto(input)`; 0 for a source topic. */
  readonly numberInInput: number
}

/** The number of partitions of a topic or repartition node. */
export type PartitionCounts = ReadonlyMap<string, number>

/** The name under which results of a windowed operator are an origin; no topic can be called that. */
export function resultsOrigin(operator: string): string {
  return `results:${operator}`
}

/** Names a channel uniquely, for maps and messages: `readings/0`, `readings/0 via 1>by-room`. */
export function channelKey({ origin, path }: Channel): string {
  const hops = path.map(({ repartition, task }) => ` via ${task}>${repartition}`).join('')
  return `${origin.topic}/${origin.partition}${hops}`
}

/** The tasks of a sub-topology: as many as the largest of its inputs has partitions. */
export function taskCountOf(part: SubTopology, topology: Topology, counts: PartitionCounts): number {
  return Math.max(...inputsOf(part, topology).map(({ name }) => countOf(counts, name)))
}

/** What a sub-topology reads: a source topic, or a repartition node by its name. */
export interface TaskInput {
  readonly name: string
  readonly isRepartition: boolean
}

/** The inputs of a sub-topology, in the order of the DSL calls. */
export function inputsOf(part: SubTopology, topology: Topology): readonly TaskInput[] {
  return part.sources.flatMap((source): readonly TaskInput[] => {
    const node = nodeOf(topology, source)
    if (node.type === 'source') return node.topics.map((name) => ({ name, isRepartition: false }))
    return [{ name: source, isRepartition: true }]
  })
}

/** All channels whose records arrive in a repartition node's topic, in canonical order. */
export function channelsInto(
  repartition: string,
  topology: Topology,
  counts: PartitionCounts,
): readonly Channel[] {
  const sender = topology.subTopologies.find(({ nodes }) => nodes.includes(repartition))!
  const feeds = feedsOf(repartition, topology)
  const channels: Channel[] = []
  for (let task = 0; task < taskCountOf(sender, topology, counts); task++) {
    for (const topic of feeds.topics) {
      if (task < countOf(counts, topic)) channels.push({ origin: { topic, partition: task }, path: [] })
    }
    for (const operator of feeds.emitters) {
      channels.push({ origin: { topic: resultsOrigin(operator), partition: task }, path: [] })
    }
    for (const hop of feeds.repartitions) {
      // Of inputs with fewer partitions the last tasks read nothing, so nothing comes by way of them.
      if (task >= countOf(counts, hop)) continue
      for (const { origin, path } of channelsInto(hop, topology, counts)) {
        channels.push({ origin, path: [...path, { repartition: hop, task }] })
      }
    }
  }
  return channels.sort(compareChannels)
}

/** The channels of one task, in canonical order; a channel's number in the task is its index here. */
export function channelsOfTask(
  part: SubTopology,
  partition: number,
  topology: Topology,
  counts: PartitionCounts,
): readonly TaskChannel[] {
  const channels: TaskChannel[] = []
  for (const { name, isRepartition } of inputsOf(part, topology)) {
    if (partition >= countOf(counts, name)) continue
    if (!isRepartition) {
      const origin = { topic: name, partition }
      channels.push({ origin, path: [], input: name, isRepartition, numberInInput: 0 })
      continue
    }
    channelsInto(name, topology, counts).forEach((channel, numberInInput) => {
      channels.push({ ...channel, input: name, isRepartition, numberInInput })
    })
  }
  return channels.sort(compareTaskChannels)
}

/** What a repartition node is fed by, within its sender: source topics, windows that close, further repartitions. */
export interface Feeds {
  readonly topics: ReadonlySet<string>
  readonly emitters: ReadonlySet<string>
  readonly repartitions: ReadonlySet<string>
}

/** Walks up from a node to whatever gives its records their origin. */
export function feedsOf(name: string, topology: Topology): Feeds {
  const topics = new Set<string>()
  const emitters = new Set<string>()
  const repartitions = new Set<string>()
  const visit = (parent: string): void => {
    const node = nodeOf(topology, parent)
    if (node.type === 'source') node.topics.forEach((topic) => topics.add(topic))
    else if (node.type === 'repartition') repartitions.add(parent)
    else if (node.type === 'operator' && node.windowed?.emit === 'onWindowClose') emitters.add(parent)
    else node.parents.forEach(visit)
  }
  nodeOf(topology, name).parents.forEach(visit)
  return { topics, emitters, repartitions }
}

function countOf(counts: PartitionCounts, name: string): number {
  const count = counts.get(name)
  if (count === undefined) throw new Error(`partition count of ${name} is not known`)
  return count
}

function compareChannels(a: Channel, b: Channel): number {
  return compareOrigins(a.origin, b.origin) || comparePaths(a.path, b.path)
}

function compareTaskChannels(a: TaskChannel, b: TaskChannel): number {
  return compareOrigins(a.origin, b.origin) || compareText(a.input, b.input) || comparePaths(a.path, b.path)
}

function compareOrigins(a: Origin, b: Origin): number {
  return compareText(a.topic, b.topic) || a.partition - b.partition
}

function comparePaths(a: Channel['path'], b: Channel['path']): number {
  for (let hop = 0; hop < Math.min(a.length, b.length); hop++) {
    const order = compareText(a[hop]!.repartition, b[hop]!.repartition) || a[hop]!.task - b[hop]!.task
    if (order !== 0) return order
  }
  return a.length - b.length
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
