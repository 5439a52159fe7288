/** The topics of an application: looked up, made where they are missing, and looked over for what would do harm. */
import { FatalError, StateMismatchError } from '../errors.ts'
import type { Log, TopicDescription } from '../log/log.ts'
import type { PartitionPlan } from '../topology/partition-plan.ts'
import { outputTopicsOf, sourceTopicsOf, type Topology } from '../topology/topology.ts'
import type { StreamsConfig } from './config.ts'
import { internalTopicSpecs } from './layout.ts'
import { topicWarnings, type TopicRole, type TopicUse } from './topic-warnings.ts'

interface TopicsSpec {
  readonly log: Log
  readonly topology: Topology
  readonly config: StreamsConfig
  /** What the internal topics begin with. */
  readonly topicPrefix: string
}

/** What is written only is not read. */
const READ: ReadonlySet<TopicRole> = new Set(['input', 'changelog', 'repartition'])

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
    await log.createTopics([...internalTopicSpecs(topology, plan, spec.topicPrefix), ...missing])
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

/**
 * Looks at all topics before anything runs. `FatalError` `ACCESS_DENIED` with all that this client may not do with
 * them: else the first late record, perhaps hours later, would end it. Answers with what their settings would do: see
 * `topicWarnings`.
 */
export async function checkTopics(spec: TopicsSpec, plan: PartitionPlan): Promise<readonly string[]> {
  const uses = await usesOf(spec, plan)
  const denied = uses.flatMap(({ role, description: { name, limits } }) => {
    const mayNot = [
      ...(limits.mayRead || !READ.has(role) ? [] : ['read']),
      ...(limits.mayWrite || role === 'input' ? [] : ['write']),
    ]
    return mayNot.length === 0 ? [] : [`${mayNot.join(' and ')} topic ${name}`]
  })
  if (denied.length > 0) throw new FatalError('ACCESS_DENIED', `No permission to ${denied.join(', to ')}.`)
  return topicWarnings(uses, spec.config)
}

async function usesOf(spec: TopicsSpec, plan: PartitionPlan): Promise<readonly TopicUse[]> {
  const { log, topology } = spec
  const roles = new Map<string, TopicRole>()
  for (const topic of sourceTopicsOf(topology)) roles.set(topic, 'input')
  for (const { name, settings } of internalTopicSpecs(topology, plan, spec.topicPrefix)) {
    roles.set(name, settings?.cleanup === 'compact' ? 'changelog' : 'repartition')
  }
  for (const topic of outputsOf(spec)) roles.set(topic, 'side-output')
  for (const node of topology.nodes.values()) if (node.type === 'sink') roles.set(node.topic, 'output')
  const withOwnTime = new Set(
    [...topology.nodes.values()].flatMap((node) => {
      return node.type === 'source' && node.timestamp === undefined ? node.topics : []
    }),
  )
  const described = await log.describeTopics([...roles.keys()])
  return [...described].map(([topic, description]) => {
    return { role: roles.get(topic)!, description, timestampIsEventTime: withOwnTime.has(topic) }
  })
}

function outputsOf({ topology, config }: TopicsSpec): readonly string[] {
  return [...new Set([...outputTopicsOf(topology), config.lateTopic, config.deadLetterTopic])]
}
