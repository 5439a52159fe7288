/** What a topology comes to on a log: partition counts, tasks, fingerprint, and the internal topics it needs. */
import { TopologyError } from '../errors.ts'
import type { Log, TopicSpec } from '../log/log.ts'
import { inputsOf } from '../topology/channels.ts'
import { fingerprintOf, type Fingerprint } from '../topology/fingerprint.ts'
import { planPartitions, type PartitionPlan } from '../topology/partition-plan.ts'
import { sourceTopicsOf, type Topology } from '../topology/topology.ts'
import { changelogTopic, commitLogTopic, repartitionTopic } from './internal-topics.ts'
import type { TaskId } from './task-id.ts'

export interface Layout {
  readonly plan: PartitionPlan
  readonly tasks: readonly TaskId[]
  readonly fingerprint: Fingerprint
}

/** Partition counts of the source topics. `TopologyError` when one is missing. */
export async function sourceCounts(log: Log, topology: Topology): Promise<ReadonlyMap<string, number>> {
  const topics = sourceTopicsOf(topology)
  const described = await log.describeTopics(topics)
  const missing = topics.filter((topic) => !described.has(topic))
  if (missing.length > 0) {
    throw new TopologyError(missing.map((topic) => `source topic ${topic} does not exist`))
  }
  return new Map([...described].map(([topic, { partitions }]) => [topic, partitions]))
}

/** Asks the log for the source topics. `TopologyError` when one is missing or they do not go together. */
export async function layoutOf(log: Log, topology: Topology): Promise<Layout> {
  const plan = planPartitions(topology, await sourceCounts(log, topology))
  const tasks = plan.tasks.flatMap((count, subTopology) =>
    Array.from({ length: count }, (_, partition): TaskId => ({ subTopology, partition })),
  )
  const facts: Record<string, string> = { ...fingerprintOf(topology) }
  for (const [input, count] of plan.counts) facts[`partitions of ${input}`] = String(count)
  return { plan, tasks, fingerprint: facts }
}

/** Commit logs, changelogs and repartition topics under a prefix. */
export function internalTopicSpecs(topology: Topology, plan: PartitionPlan, prefix: string): TopicSpec[] {
  const compacted = { cleanup: 'compact', retentionMs: -1 } as const
  return topology.subTopologies.flatMap((part) => [
    { name: commitLogTopic(prefix, part.id), partitions: plan.tasks[part.id]!, settings: compacted },
    ...part.stores.map((store) => ({
      name: changelogTopic(prefix, store),
      partitions: plan.tasks[part.id]!,
      settings: compacted,
    })),
    ...inputsOf(part, topology).flatMap(({ name, isRepartition }) =>
      isRepartition ? [{ name: repartitionTopic(prefix, name), partitions: plan.counts.get(name)! }] : [],
    ),
  ])
}
