/** The changelogs of a task's stores as they stand now. */
import { FatalError } from '../errors.ts'
import type { Application } from './application.ts'
import { changelogTopic } from './internal-topics.ts'
import type { Changelog } from './restore.ts'
import type { TaskId } from './task-id.ts'

/** In the order of the stores; each end is the high watermark. `FatalError` `TOPIC_UNKNOWN` where one is missing. */
export async function describeChangelogs(
  { log, topicPrefix, topology }: Application,
  id: TaskId,
): Promise<readonly Changelog[]> {
  const { stores } = topology.subTopologies[id.subTopology]!
  const topics = stores.map((store) => changelogTopic(topicPrefix, store))
  const described = await log.describeTopics(topics)
  const changelogs: Changelog[] = []
  for (const [index, store] of stores.entries()) {
    const topic = topics[index]!
    const description = described.get(topic)
    if (description === undefined)
      throw new FatalError('TOPIC_UNKNOWN', `changelog topic ${topic} does not exist`)
    const partition = { topic, partition: id.partition }
    const [start] = await log.offsets('start', [partition])
    const [end] = await log.offsets('end', [partition])
    changelogs.push({ ...partition, store, description, start: start!, end: end! })
  }
  return changelogs
}
