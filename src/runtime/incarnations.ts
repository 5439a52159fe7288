/**
 * Incarnations of an application. Going back to a savepoint never touches what is there: it makes new internal topics,
 * fills them, and then one committed record in a compacted topic says that these count from now on. The record and the
 * positions of the group change in one transaction, which the log refuses while the group has members.
 *
 * Whoever joins the group looks afterwards which incarnation is the current one. As long as he is a member none can
 * begin, so an instance that has looked is never overtaken.
 */
import { FatalError } from '../errors.ts'
import type { Log } from '../log/log.ts'
import { decodeEntry } from './commit-entry.ts'
import { readRange } from './commit-log.ts'
import type { Counts } from './counters.ts'
import { incarnationsTopic } from './internal-topics.ts'

/** Where a task stood in the savepoint that an incarnation began with. */
export interface CutTask {
  readonly commitId: number
  readonly counts: Counts
}

/** How an incarnation began: the value of its record, whose key is its number. */
export interface IncarnationRecord {
  readonly formatVersion: 1
  /** From 1; the first life of an application is number 0 and has no record. */
  readonly incarnation: number
  /** By the wall clock of who restored. */
  readonly beganAtMs: number
  readonly savepoint: {
    readonly application: string
    readonly name: string
    /** SHA-256 of its manifest: another savepoint of the same name has another. */
    readonly sha256: string
    /** The incarnation that it was taken of. */
    readonly incarnation: number
  }
  /** By task name. */
  readonly cut: Readonly<Record<string, CutTask>>
}

/** All incarnations that ever became the current one, oldest first; none before the first restore. */
export async function readIncarnations(
  log: Log,
  applicationId: string,
): Promise<readonly IncarnationRecord[]> {
  const partition = { topic: incarnationsTopic(applicationId), partition: 0 }
  if (!(await log.describeTopics([partition.topic])).has(partition.topic)) return []
  const [start] = await log.offsets('start', [partition])
  // The high watermark: a restore that is just being committed is waited for.
  const [end] = await log.offsets('end', [partition])
  const records = new Map<number, IncarnationRecord>()
  await readRange(log, partition, start!, end!, (cursor) => {
    const value = cursor.value()
    if (value === null) return
    const record = decodeEntry<IncarnationRecord>(value, `${partition.topic}/0`)
    records.set(record.incarnation, record)
  })
  return [...records.values()].sort((a, b) => a.incarnation - b.incarnation)
}

/** The number of the current incarnation; 0 before the first restore. */
export async function currentIncarnation(log: Log, applicationId: string): Promise<number> {
  return (await readIncarnations(log, applicationId)).at(-1)?.incarnation ?? 0
}

/** `FatalError` `INCARNATION_OVER` where the application has been restored since `incarnation` was read. */
export async function refuseOldIncarnation(
  log: Log,
  applicationId: string,
  incarnation: number,
): Promise<void> {
  const current = await currentIncarnation(log, applicationId)
  if (current === incarnation) return
  throw new FatalError(
    'INCARNATION_OVER',
    `Application ${applicationId} has gone back to a savepoint (incarnation ${current}); ` +
      `this instance belongs to incarnation ${incarnation}. Start it again.`,
  )
}
