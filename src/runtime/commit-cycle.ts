/**
 * The commit: outputs, changelog entries, dead letters, late records, the commit entry and the input offsets of all
 * tasks of a worker, in one transaction.
 *
 * 1 `prepare` takes what the tasks have done so far; work may go on behind it · 2 `publish` sends it: outputs and
 * changelog entries, then the commit entries (which name the changelog offsets) with the input offsets, then the
 * commit · 3 only then is it applied: stores may be flushed.
 *
 * A transaction sends the offsets of every task it writes for, changed or not: that is what fences it.
 */
import type { Clock } from '../clock.ts'
import type { GroupMember, LogProducer, Offset, OutgoingBatch, PartitionOffset } from '../log/log.ts'
import { RecordBatchBuilder } from '../log/record-batch-builder.ts'
import { type ChangelogPosition, COMMIT_KEYS, type CommitEntry, encodeEntry } from './commit-entry.ts'
import { changelogTopic, commitLogTopic } from './internal-topics.ts'
import type { RunningTask } from './running-task.ts'

/** History is kept at least this often: replays begin at one of its entries. */
const HISTORY_INTERVAL_MS = 60_000
const HISTORY_RECORDS = 50_000

/** What one task brings into a commit. */
export interface TaskCommit {
  readonly running: RunningTask
  readonly outputs: readonly OutgoingBatch[]
  readonly changelog: readonly OutgoingBatch[]
  readonly offsets: readonly PartitionOffset[]
  /** Complete but for the changelog positions. */
  readonly entry: CommitEntry
  readonly keepsHistory: boolean
}

export interface PreparedCommit {
  readonly tasks: readonly TaskCommit[]
  readonly member: GroupMember
  readonly records: number
  /** By the wall clock; the timestamp of the entries, for status. */
  readonly atMs: number
}

/** Takes what the tasks have done since their last commit. Synchronous. */
export function prepareCommit(
  tasks: readonly RunningTask[],
  member: GroupMember,
  clock: Clock,
  records: number,
): PreparedCommit {
  return { tasks: tasks.map((running) => prepareTask(running, clock)), member, records, atMs: clock.now() }
}

function prepareTask(running: RunningTask, clock: Clock): TaskCommit {
  const { task } = running
  const { stores, collector, closer } = { ...task.parts, closer: task.closer }
  stores.expire(closer.closedThroughMs)
  const { changelogs } = running
  stores.transaction.prepare((store, key, value, timestampMs) => {
    changelogs.add(changelogTopic(running.topicPrefix, store), task.id.partition, timestampMs, key, value)
  })
  task.completeOutputs()
  const entry = running.nextEntry()
  const keepsHistory =
    entry.decisions.length > 0 ||
    clock.now() - running.historyAtMs >= HISTORY_INTERVAL_MS ||
    task.worked - running.historyWorked >= HISTORY_RECORDS
  if (keepsHistory) {
    running.historyAtMs = clock.now()
    running.historyWorked = task.worked
  }
  return {
    running,
    outputs: collector.take(),
    changelog: changelogs.take(),
    offsets: running.inputOffsets(),
    entry,
    keepsHistory,
  }
}

/**
 * Sends and commits. When it resolves the commit is visible and every task knows; when it rejects, the transaction is
 * not committed, or nobody knows (`UnknownOutcomeError`), and the tasks have to start again from what is committed.
 */
export async function publishCommit(
  producer: LogProducer,
  groupId: string,
  commit: PreparedCommit,
): Promise<void> {
  producer.begin()
  const outputs = commit.tasks.flatMap(({ outputs: batches }) => batches)
  const changelog = commit.tasks.flatMap(({ changelog: batches }) => batches)
  const bases = outputs.length + changelog.length === 0 ? [] : await producer.send([...outputs, ...changelog])
  const positions = positionsAfter(changelog, bases.slice(outputs.length))
  const entries = commit.tasks.map((task) => completeEntry(task, positions))
  await producer.send(entryBatches(commit, entries))
  await producer.addOffsets(
    groupId,
    commit.tasks.flatMap(({ offsets }) => offsets),
    commit.member,
  )
  await producer.commit()
  commit.tasks.forEach(({ running, outputs: sent, changelog: kept }, index) => {
    running.committed(entries[index]!)
    running.task.parts.collector.recycle(sent)
    running.changelogs.recycle(kept)
  })
}

/** Next offset of each changelog partition that was written, by `topic/partition`. */
function positionsAfter(
  batches: readonly OutgoingBatch[],
  bases: readonly Offset[],
): ReadonlyMap<string, Offset> {
  const positions = new Map<string, Offset>()
  batches.forEach(({ topic, partition, records }, index) => {
    positions.set(`${topic}/${partition}`, bases[index]! + BigInt(records.count))
  })
  return positions
}

function completeEntry({ running, entry }: TaskCommit, positions: ReadonlyMap<string, Offset>): CommitEntry {
  const changelogs: Record<string, ChangelogPosition> = {}
  for (const [store, before] of Object.entries(entry.changelogs)) {
    const topic = changelogTopic(running.topicPrefix, store)
    const offset = positions.get(`${topic}/${running.task.id.partition}`)
    changelogs[store] = offset === undefined ? before : { ...before, offset: String(offset) }
  }
  return { ...entry, changelogs }
}

function entryBatches(
  { tasks, atMs }: PreparedCommit,
  entries: readonly CommitEntry[],
): readonly OutgoingBatch[] {
  return tasks.map(({ running, keepsHistory }, index) => {
    const entry = entries[index]!
    const encoded = encodeEntry(entry)
    const records = new RecordBatchBuilder(encoded.length + 512)
    records.append(atMs, COMMIT_KEYS.latest, encoded)
    if (keepsHistory) records.append(atMs, COMMIT_KEYS.history(entry.commitId), encoded)
    const { subTopology, partition } = running.task.id
    return { topic: commitLogTopic(running.topicPrefix, subTopology), partition, records }
  })
}
