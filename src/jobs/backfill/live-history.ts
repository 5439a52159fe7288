/** What the live application has recorded of itself in its commit logs: positions, event time, decisions. */
import type { Log, TopicPartition } from '../../log/log.ts'
import type { CommitEntry } from '../../runtime/commit-entry.ts'
import { readHistory, readNewest } from '../../runtime/commit-log.ts'
import { currentIncarnation } from '../../runtime/incarnations.ts'
import { commitLogTopic, topicPrefixOf } from '../../runtime/internal-topics.ts'
import { taskName, type TaskId } from '../../runtime/task-id.ts'
import type { Fingerprint } from '../../topology/fingerprint.ts'

/** One task's. */
export interface TaskHistory {
  readonly id: TaskId
  readonly task: string
  /** The commits that were kept, and the newest one; oldest first. */
  readonly entries: readonly CommitEntry[]
  /** Whether nothing came before: an application that went back to a savepoint has its earlier history elsewhere. */
  readonly isWhole: boolean
  /** Of the topology it was worked with last. */
  readonly fingerprint: Fingerprint | undefined
}

/**
 * The histories of all tasks, by name; empty for an application that has never run. `lastOnes` are read last, so that
 * what the others have decided lies within what these have read.
 */
export async function readLiveHistory(
  log: Log,
  applicationId: string,
  lastOnes: (subTopology: number) => boolean,
): Promise<ReadonlyMap<string, TaskHistory>> {
  const incarnation = await currentIncarnation(log, applicationId)
  const prefix = topicPrefixOf(applicationId, incarnation)
  const topics = new Set(await log.listTopics())
  const ids: TaskId[] = []
  for (let subTopology = 0; topics.has(commitLogTopic(prefix, subTopology)); subTopology++) {
    const topic = commitLogTopic(prefix, subTopology)
    const count = (await log.describeTopics([topic])).get(topic)?.partitions ?? 0
    for (let partition = 0; partition < count; partition++) ids.push({ subTopology, partition })
  }
  const ordered = [
    ...ids.filter(({ subTopology }) => !lastOnes(subTopology)),
    ...ids.filter(({ subTopology }) => lastOnes(subTopology)),
  ]
  const histories = new Map<string, TaskHistory>()
  for (const id of ordered) {
    const place = { topic: commitLogTopic(prefix, id.subTopology), partition: id.partition }
    histories.set(taskName(id), { ...(await readTask(log, place, id)), isWhole: incarnation === 0 })
  }
  return histories
}

async function readTask(log: Log, place: TopicPartition, id: TaskId): Promise<Omit<TaskHistory, 'isWhole'>> {
  const [stable] = await log.offsets('stable', [place])
  const { latest, owner } = await readNewest(log, place, stable!)
  const kept = await readHistory(log, place)
  const entries = kept.filter(({ commitId }) => latest !== undefined && commitId < latest.commitId)
  if (latest !== undefined) entries.push(latest)
  return { id, task: taskName(id), entries, fingerprint: owner?.fingerprint }
}
