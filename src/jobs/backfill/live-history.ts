/** What the live application has recorded of itself in its commit logs: positions, event time, decisions. */
import type { Log } from '../../log/log.ts'
import type { CommitEntry } from '../../runtime/commit-entry.ts'
import { readHistory, readNewest } from '../../runtime/commit-log.ts'
import { commitLogTopic } from '../../runtime/internal-topics.ts'
import { taskName, type TaskId } from '../../runtime/task-id.ts'
import type { Fingerprint } from '../../topology/fingerprint.ts'

/** One task's. */
export interface TaskHistory {
  readonly id: TaskId
  readonly task: string
  /** The commits that were kept, and the newest one; oldest first. */
  readonly entries: readonly CommitEntry[]
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
  const topics = new Set(await log.listTopics())
  const ids: TaskId[] = []
  for (let subTopology = 0; topics.has(commitLogTopic(applicationId, subTopology)); subTopology++) {
    const topic = commitLogTopic(applicationId, subTopology)
    const count = (await log.describeTopics([topic])).get(topic)?.partitions ?? 0
    for (let partition = 0; partition < count; partition++) ids.push({ subTopology, partition })
  }
  const ordered = [
    ...ids.filter(({ subTopology }) => !lastOnes(subTopology)),
    ...ids.filter(({ subTopology }) => lastOnes(subTopology)),
  ]
  const histories = new Map<string, TaskHistory>()
  for (const id of ordered) histories.set(taskName(id), await readTask(log, applicationId, id))
  return histories
}

async function readTask(log: Log, applicationId: string, id: TaskId): Promise<TaskHistory> {
  const place = { topic: commitLogTopic(applicationId, id.subTopology), partition: id.partition }
  const [stable] = await log.offsets('stable', [place])
  const { latest, owner } = await readNewest(log, place, stable!)
  const kept = await readHistory(log, place)
  const entries = kept.filter(({ commitId }) => latest !== undefined && commitId < latest.commitId)
  if (latest !== undefined) entries.push(latest)
  return { id, task: taskName(id), entries, fingerprint: owner?.fingerprint }
}
