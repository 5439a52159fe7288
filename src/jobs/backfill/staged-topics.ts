/** The topics that a backfill writes instead of those of its application. */
import { FatalError } from '../../errors.ts'
import type { Log, TopicSpec } from '../../log/log.ts'
import type { StreamsConfig } from '../../runtime/config.ts'
import { isInternalTopic } from '../../runtime/internal-topics.ts'
import type { PartitionPlan } from '../../topology/partition-plan.ts'
import { outputTopicsOf, sourceTopicsOf, type Topology } from '../../topology/topology.ts'
import { backfillApplicationId } from './backfill-names.ts'
import type { StagedTopic } from './backfill-record.ts'
import type { BackfillPlace } from './backfill-store.ts'

/** One for each output; with as many partitions as the published one has, or would be made with. */
export async function stagedTopicsOf(
  log: Log,
  topology: Topology,
  config: StreamsConfig,
  plan: PartitionPlan,
  nameOf: (topic: string) => string,
): Promise<readonly StagedTopic[]> {
  const sinks = new Set(
    [...topology.nodes.values()].flatMap((node) => (node.type === 'sink' ? [node.topic] : [])),
  )
  const topics = [...new Set([...outputTopicsOf(topology), config.lateTopic, config.deadLetterTopic])].sort()
  const described = await log.describeTopics(topics)
  const most = Math.max(...sourceTopicsOf(topology).map((topic) => plan.counts.get(topic)!))
  return topics.map((published) => {
    const other = published === config.deadLetterTopic ? 'dead-letters' : 'late'
    return {
      kind: sinks.has(published) ? 'results' : other,
      published,
      staged: nameOf(published),
      partitions: described.get(published)?.partitions ?? most,
    }
  })
}

/** Staging topics keep everything, whatever the event times of their records. */
export function stagingSpecs(outputs: readonly StagedTopic[]): readonly TopicSpec[] {
  return outputs.map(({ staged, partitions }) => ({
    name: staged,
    partitions,
    settings: { cleanup: 'delete', retentionMs: -1 },
  }))
}

/** Refuses where something is left of another backfill of this id (`FatalError` `STAGING_EXISTS`). */
export async function refuseLeftovers(
  { log, applicationId }: BackfillPlace,
  id: string,
  outputs: readonly StagedTopic[],
): Promise<void> {
  const own = backfillApplicationId(applicationId, id)
  const staged = new Set(outputs.map((output) => output.staged))
  const left = (await log.listTopics()).filter((topic) => staged.has(topic) || isInternalTopic(own, topic))
  if (left.length === 0) return
  throw new FatalError(
    'STAGING_EXISTS',
    `There are topics already where backfill ${id} would write: ${left.join(', ')}. Choose another --id.`,
  )
}
