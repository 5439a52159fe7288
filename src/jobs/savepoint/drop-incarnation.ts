/** Removes the internal topics of an incarnation that no longer counts, or never came to count. */
import { ConfigError, FatalError } from '../../errors.ts'
import type { Log } from '../../log/log.ts'
import { currentIncarnation } from '../../runtime/incarnations.ts'
import { incarnationOfTopic } from '../../runtime/internal-topics.ts'
import { topicsOfApplication } from '../own-topics.ts'

/** The internal topics of each incarnation of an application that has any, by its number. */
export async function incarnationTopics(
  log: Log,
  applicationId: string,
): Promise<ReadonlyMap<number, readonly string[]>> {
  const found = new Map<number, string[]>()
  for (const topic of topicsOfApplication(applicationId, await log.listTopics())) {
    const incarnation = incarnationOfTopic(applicationId, topic)
    if (incarnation === undefined) continue
    const topics = found.get(incarnation) ?? []
    topics.push(topic)
    found.set(incarnation, topics)
  }
  return found
}

/**
 * Removes them; answers with their names. Works while the application runs. `ConfigError` for one that has none;
 * `FatalError` `INCARNATION_CURRENT` for the one that counts.
 */
export async function dropIncarnation(
  log: Log,
  applicationId: string,
  incarnation: number,
): Promise<readonly string[]> {
  const existing = await incarnationTopics(log, applicationId)
  const topics = existing.get(incarnation)
  if (topics === undefined) {
    const known = [...existing.keys()].sort((a, b) => a - b).join(', ')
    throw new ConfigError([
      `application ${applicationId} has no topics of an incarnation ${incarnation}; it has those of ${known || 'none'}`,
    ])
  }
  // A restore that is filling it must not become the current one afterwards.
  await log.fenceProducer(`${applicationId}-restore`)
  if ((await currentIncarnation(log, applicationId)) === incarnation) {
    throw new FatalError(
      'INCARNATION_CURRENT',
      `Incarnation ${incarnation} is the current one of application ${applicationId}; nothing was removed.`,
    )
  }
  await log.deleteTopics(topics)
  return topics
}
