/** The topics of an application: looked up, made where they are missing, and looked over for what would do harm. */
import { FatalError, StateMismatchError, TopologyError } from '../errors.ts'
import type { Log, TopicDescription, TopicSpec } from '../log/log.ts'
import { inputsOf } from '../topology/channels.ts'
import type { PartitionPlan } from '../topology/partition-plan.ts'
import { outputTopicsOf, sourceTopicsOf, type Topology } from '../topology/topology.ts'
import type { StreamsConfig } from './config.ts'
import { changelogTopic, commitLogTopic, repartitionTopic } from './internal-topics.ts'
import { topicWarnings, type TopicRole } from './topic-warnings.ts'

interface TopicsSpec {
  readonly log: Log
  readonly topology: Topology
  readonly config: StreamsConfig
}

const COMPACTED = { cleanup: 'compact', retentionMs: -1 } as const

/** Partition counts of the source topics. `TopologyError` where one does not exist. */
export async function sourceCounts({ log, topology }: TopicsSpec): Promise<ReadonlyMap<string, number>> {
  const topics = sourceTopicsOf(topology)
  const described = await log.describeTopics(topics)
  const missing = topics.filter((topic) => !described.has(topic))
  if (missing.length > 0) {
    throw new TopologyError(missing.map((topic) => `source topic ${topic} does not exist`))
  }
  return new Map([...described].map(([topic, { partitions }]) => [topic, partitions]))
}

/**
 * Makes the topics that are missing: internal ones as the plan has it, outputs with as many partitions as the widest
 * source; outputs that exist may have any number. `StateMismatchError` where an internal one has another count.
 */
export async function createMissingTopics(spec: TopicsSpec, plan: PartitionPlan): Promise<void> {
  const { log, topology, config } = spec
  const outputs = outputsOf(spec)
  const existing = await log.describeTopics(outputs)
  const partitions = Math.max(...sourceTopicsOf(topology).map((topic) => plan.counts.get(topic)!))
  const missing = outputs.filter((topic) => !existing.has(topic)).map((name) => ({ name, partitions }))
  try {
    await log.createTopics([...internalTopics(spec, plan), ...missing])
  } catch (error) {
    if (!(error instanceof FatalError) || error.code !== 'TOPIC_PARTITIONS_DIFFER') throw error
    throw new StateMismatchError(
      `The internal topics of application ${config.applicationId} were made for other partition counts ` +
        '(were partitions added to a source topic?):',
      [error.message],
    )
  }
}

/** Everything the application writes to but its internal topics. */
export function describeOutputs(spec: TopicsSpec): Promise<ReadonlyMap<string, TopicDescription>> {
  return spec.log.describeTopics(outputsOf(spec))
}

/** What the settings of all topics would do: see `topicWarnings`. */
export async function warningsAboutTopics(spec: TopicsSpec, plan: PartitionPlan): Promise<readonly string[]> {
  const { log, topology, config } = spec
  const roles = new Map<string, TopicRole>()
  for (const topic of sourceTopicsOf(topology)) roles.set(topic, 'input')
  for (const { name, settings } of internalTopics(spec, plan)) {
    roles.set(name, settings === COMPACTED ? 'changelog' : 'repartition')
  }
  for (const topic of outputsOf(spec)) roles.set(topic, 'side-output')
  for (const node of topology.nodes.values()) if (node.type === 'sink') roles.set(node.topic, 'output')
  const withOwnTime = new Set(
    [...topology.nodes.values()].flatMap((node) => {
      return node.type === 'source' && node.timestamp === undefined ? node.topics : []
    }),
  )
  const described = await log.describeTopics([...roles.keys()])
  const uses = [...described].map(([topic, description]) => {
    return { role: roles.get(topic)!, description, timestampIsEventTime: withOwnTime.has(topic) }
  })
  return topicWarnings(uses, config)
}

function internalTopics({ topology, config }: TopicsSpec, plan: PartitionPlan): readonly TopicSpec[] {
  const { applicationId } = config
  return topology.subTopologies.flatMap((part) => {
    const partitions = plan.tasks[part.id]!
    return [
      { name: commitLogTopic(applicationId, part.id), partitions, settings: COMPACTED },
      ...part.stores.map((store) => {
        return { name: changelogTopic(applicationId, store), partitions, settings: COMPACTED }
      }),
      ...inputsOf(part, topology).flatMap(({ name, isRepartition }) => {
        return isRepartition
          ? [{ name: repartitionTopic(applicationId, name), partitions: plan.counts.get(name)! }]
          : []
      }),
    ]
  })
}

function outputsOf({ topology, config }: TopicsSpec): readonly string[] {
  return [...new Set([...outputTopicsOf(topology), config.lateTopic, config.deadLetterTopic])]
}
