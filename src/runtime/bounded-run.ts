/**
 * Bounded runs: the end offsets are captured once, and committed before anything is read, so that a run that was
 * interrupted ends where it was going to end, and a replay finds where it ended.
 *
 * The record of the newest run is in the commit log of sub-topology 0, partition 0, under the key `run`. Runs are
 * numbered from 1. A run is open until every task of the application has finished it; while it is, a further bounded
 * run joins it instead of beginning another. Where the one that was joined ends earlier than this one would, or does
 * not flush as it would, one of its own follows.
 */
import {
  AbortableError,
  FatalError,
  FencedError,
  messageOf,
  RetriableError,
  UnknownOutcomeError,
} from '../errors.ts'
import type { Log, LogProducer, Offset, PartitionOffset, TopicPartition } from '../log/log.ts'
import { RecordBatchBuilder } from '../log/record-batch-builder.ts'
import { COMMIT_KEYS, decodeEntry, encodeEntry } from './commit-entry.ts'
import { readNewest, readRange } from './commit-log.ts'
import { commitLogTopic } from './internal-topics.ts'
import type { TaskId } from './task-id.ts'

export interface BoundedRun {
  readonly formatVersion: 1
  /** From 1. */
  readonly run: number
  readonly flush: boolean
  /** End offsets of the source partitions, by `topic/partition`. */
  readonly ends: Readonly<Record<string, string>>
}

export interface BoundedRunSpec {
  readonly log: Log
  readonly applicationId: string
  /** What the names of its internal topics begin with. */
  readonly topicPrefix: string
  readonly tasks: readonly TaskId[]
  readonly sources: readonly TopicPartition[]
}

/** Whether every task of the application has finished the run. */
export async function isRunFinished(spec: BoundedRunSpec, run: BoundedRun): Promise<boolean> {
  return !(await isOpen(spec, run))
}

/** Whether a run that was joined does everything that one of one's own would: it ends nowhere earlier, and flushes. */
export function doesAll(run: BoundedRun, flush: boolean, ends: readonly PartitionOffset[]): boolean {
  return (run.flush || !flush) && ends.every((end) => endOf(run, end) >= end.offset)
}

/** The run that is open; `undefined` when there is none. */
export async function findOpenRun(spec: BoundedRunSpec): Promise<BoundedRun | undefined> {
  const newest = await readNewestRun(spec)
  return newest !== undefined && (await isOpen(spec, newest)) ? newest : undefined
}

/** What a run is asked to be. */
export interface RunRequest {
  readonly flush: boolean
  /** Where it ends; the present ends where not given. */
  readonly ends?: BoundedRun['ends']
}

/**
 * Joins the open run, or begins one that ends where `request` says. Several instances that start at once agree:
 * each fences the others before it looks, so whoever commits a run is seen by all who come later. An open run keeps
 * its own ends and its own flush; one that was asked for with the same ends before is not begun again, even when it is
 * finished. `RetriableError` `RUN_CONTENDED` when another one got in between.
 */
export async function openRun(spec: BoundedRunSpec, request: RunRequest): Promise<BoundedRun> {
  const producer = await spec.log.producer({ transactionalId: `${spec.applicationId}-run` })
  try {
    const newest = await readNewestRun(spec)
    if (newest !== undefined && (isSame(newest, request) || (await isOpen(spec, newest)))) return newest
    return await beginRun(spec, producer, (newest?.run ?? 0) + 1, request)
  } catch (error) {
    // Another instance looked later and so looks last, or nobody knows: looking again tells.
    if (!WORTH_ANOTHER_LOOK.some((kind) => error instanceof kind)) throw error
    throw new RetriableError('RUN_CONTENDED', `a bounded run could not be opened: ${messageOf(error)}`, {
      cause: error,
    })
  } finally {
    await producer.close()
  }
}

const WORTH_ANOTHER_LOOK = [FencedError, AbortableError, UnknownOutcomeError] as const

function isSame(run: BoundedRun, { flush, ends }: RunRequest): boolean {
  if (ends === undefined || run.flush !== flush) return false
  const names = Object.keys(ends)
  return names.length === Object.keys(run.ends).length && names.every((name) => run.ends[name] === ends[name])
}

async function beginRun(
  { log, topicPrefix, sources }: BoundedRunSpec,
  producer: LogProducer,
  number: number,
  { flush, ends }: RunRequest,
): Promise<BoundedRun> {
  const run: BoundedRun = {
    formatVersion: 1,
    run: number,
    flush,
    ends: ends ?? (await presentEnds(log, sources)),
  }
  const records = new RecordBatchBuilder()
  records.append(0, COMMIT_KEYS.run, encodeEntry(run))
  producer.begin()
  await producer.send([{ ...partitionOf(topicPrefix), records }])
  await producer.commit()
  return run
}

async function presentEnds(log: Log, sources: readonly TopicPartition[]): Promise<BoundedRun['ends']> {
  const ends = await log.offsets('end', sources)
  const named = sources.map(
    ({ topic, partition }, index) => [`${topic}/${partition}`, String(ends[index])] as const,
  )
  return Object.fromEntries(named)
}

/** Where a source partition ends in a run. */
export function endOf(run: BoundedRun, { topic, partition }: TopicPartition): Offset {
  const end = run.ends[`${topic}/${partition}`]
  if (end === undefined) {
    throw new FatalError('RUN_ENDS_MISSING', `bounded run ${run.run} knows no end of ${topic}/${partition}`)
  }
  return BigInt(end)
}

/** The run that was begun last; `undefined` where there was none. */
export async function readNewestRun({
  log,
  topicPrefix,
}: Pick<BoundedRunSpec, 'log' | 'topicPrefix'>): Promise<BoundedRun | undefined> {
  const partition = partitionOf(topicPrefix)
  const [start] = await log.offsets('start', [partition])
  const [end] = await log.offsets('end', [partition])
  let newest: Buffer | undefined
  await readRange(log, partition, start!, end!, (cursor) => {
    if (cursor.key()?.toString('utf8') === COMMIT_KEYS.run) newest = cursor.value() ?? undefined
  })
  return newest === undefined ? undefined : decodeEntry<BoundedRun>(newest, `${partition.topic}/0`)
}

async function isOpen({ log, topicPrefix, tasks }: BoundedRunSpec, { run }: BoundedRun): Promise<boolean> {
  for (const { subTopology, partition } of tasks) {
    const topic = commitLogTopic(topicPrefix, subTopology)
    const [end] = await log.offsets('end', [{ topic, partition }])
    const { latest } = await readNewest(log, { topic, partition }, end!)
    if ((latest?.finishedRun ?? 0) < run) return true
  }
  return false
}

function partitionOf(topicPrefix: string): TopicPartition {
  return { topic: commitLogTopic(topicPrefix, 0), partition: 0 }
}
