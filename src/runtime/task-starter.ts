/**
 * The start of tasks, in the one order in which nothing is lost: 1 they are assigned · 2 their former owner is fenced ·
 * 3 committed offsets are read, which waits for pending ones · 4 the ends of changelogs and commit log are taken as
 * high watermarks · 5 the local stores are opened and brought up to those ends · 6 a small transaction names the new
 * owner · 7 they run.
 *
 * In another order, or up to the last stable offset, the tail of a transaction that was just being committed is lost.
 */
import { FatalError, RetriableError, StateMismatchError } from '../errors.ts'
import type { GroupMember, LogProducer, Offset, OutgoingBatch, TopicPartition } from '../log/log.ts'
import { RecordBatchBuilder } from '../log/record-batch-builder.ts'
import { inputsOf } from '../topology/channels.ts'
import { differencesBetween } from '../topology/fingerprint.ts'
import type { Application } from './application.ts'
import { endOf } from './bounded-run.ts'
import { COMMIT_KEYS, encodeEntry, type CommitEntry, type OwnerEntry } from './commit-entry.ts'
import { readNewest } from './commit-log.ts'
import { commitLogTopic, repartitionTopic } from './internal-topics.ts'
import { restoreState, type Changelog } from './restore.ts'
import { RunningTask } from './running-task.ts'
import { buildTask } from './task-builder.ts'
import { describeChangelogs } from './task-changelogs.ts'
import { taskName, type TaskId } from './task-id.ts'

export interface StartSpec {
  readonly application: Application
  readonly tasks: readonly TaskId[]
  readonly producer: LogProducer
  readonly member: GroupMember
  /** Share of the state memory that each task gets. */
  readonly memoryPerTaskBytes: number
  /** Throws when the tasks are not wanted any more, so that a rebalance need not wait for a long restore. */
  readonly checkWanted: () => void
}

/** Starts tasks. When it fails, whatever was opened is closed again. */
export async function startTasks(spec: StartSpec): Promise<readonly RunningTask[]> {
  const { application, tasks, producer } = spec
  await fenceFormerOwners(application, tasks, producer.transactionalId)
  const started: RunningTask[] = []
  try {
    for (const id of tasks) {
      spec.checkWanted()
      started.push(await startTask(spec, id))
    }
    await claimOwnership(spec, started)
    for (const { task } of started) task.goTo('running')
    return started
  } catch (error) {
    await Promise.all(started.map((running) => running.close('dirty')))
    throw error
  }
}

async function fenceFormerOwners(
  { log, topicPrefix }: Application,
  tasks: readonly TaskId[],
  ownTransactionalId: string,
): Promise<void> {
  const former = new Set<string>()
  for (const { subTopology, partition } of tasks) {
    const commits = { topic: commitLogTopic(topicPrefix, subTopology), partition }
    // What is stable is enough: an owner's name is committed before it begins anything else.
    const [stable] = await log.offsets('stable', [commits])
    const { owner } = await readNewest(log, commits, stable!)
    if (owner !== undefined) former.add(owner.transactionalId)
  }
  former.delete(ownTransactionalId)
  for (const transactionalId of former) await log.fenceProducer(transactionalId)
}

async function startTask(spec: StartSpec, id: TaskId): Promise<RunningTask> {
  const { application } = spec
  const { log, config, topicPrefix, topology, fingerprint, clock, events, options, run } = application
  const name = taskName(id)
  const inputs = inputPartitions(application, id)
  const committed = await log.committedOffsets(
    config.applicationId,
    inputs.map(({ partition }) => partition),
  )
  const commits = { topic: commitLogTopic(topicPrefix, id.subTopology), partition: id.partition }
  const [end] = await log.offsets('end', [commits])
  const { latest, owner } = await readNewest(log, commits, end!)
  // After the commit log: should another owner be at work still, its changelogs reach as far as its commits at least.
  const changelogs = await describeChangelogs(application, id)
  if (owner !== undefined) refuseForeignLog(name, owner, application)
  if (latest === undefined) await refuseLostCommitLog(application, name, commits, committed, changelogs)
  const entry = latest ?? options.seeds?.get(name)
  const restored = await restoreState({
    log,
    clock,
    directory: application.directory,
    task: name,
    changelogs,
    latest,
    fingerprint,
    onProgress: (progress) => {
      events.emit({ type: 'restore-progress', task: name, ...progress })
      spec.checkWanted()
    },
  })
  try {
    const task = buildTask({
      ...application,
      id,
      topology,
      backend: restored.backend,
      entry,
      startAt: await startOffsets(application, inputs),
      decidesIdleness: config.idleTimeoutMs !== null && !application.stopsAtEnd,
      decisions: options.decisions?.get(name),
      isReplay: options.isReplay ?? false,
      outputRange: options.outputRange,
      outputKeys: options.outputKeys,
      accepts: options.accepts,
      freezeValues: options.freezeValues ?? false,
      warn: (message) => events.emit({ type: 'warning', message }),
    })
    task.goTo('restoring')
    if (entry !== undefined) await refuseDeletedInputs(application, name, commits, inputs, { entry, latest })
    await task.parts.stores.load(spec.memoryPerTaskBytes)
    if (run !== undefined) expectRun(task, run, id)
    const { replayed, wipedBecause } = restored
    events.emit({ type: 'task-started', task: name, replayed, wipedBecause, commitId: latest?.commitId ?? 0 })
    return new RunningTask({
      topicPrefix,
      task,
      fingerprint,
      clock,
      maxRecordBytes: config.maxRecordBytes,
      positions: restored.positions,
      closeBackend: () => restored.backend.close(),
    })
  } catch (error) {
    await restored.backend.close()
    throw error
  }
}

function expectRun(
  task: ReturnType<typeof buildTask>,
  run: NonNullable<Application['run']>,
  id: TaskId,
): void {
  const end = { run: run.run, flush: run.flush }
  task.expectRun(end)
  if (task.isDone) return
  task.parts.expectRunOfChannels(end)
  for (const [topic, source] of task.parts.built.sources) {
    source.endAt({ ...end, position: Number(endOf(run, { topic, partition: id.partition })) })
  }
}

interface InputPartition {
  /** Source topic or repartition node. */
  readonly input: string
  readonly isRepartition: boolean
  readonly partition: TopicPartition
}

function inputPartitions(
  { topology, plan, topicPrefix }: Application,
  id: TaskId,
): readonly InputPartition[] {
  return inputsOf(topology.subTopologies[id.subTopology]!, topology)
    .filter(({ name }) => id.partition < plan.counts.get(name)!)
    .map(({ name, isRepartition }) => {
      const topic = isRepartition ? repartitionTopic(topicPrefix, name) : name
      return { input: name, isRepartition, partition: { topic, partition: id.partition } }
    })
}

/** Records that the task has not worked yet must still be there. */
async function refuseDeletedInputs(
  application: Application,
  name: string,
  commits: TopicPartition,
  inputs: readonly InputPartition[],
  { entry, latest }: { readonly entry: CommitEntry; readonly latest: CommitEntry | undefined },
): Promise<void> {
  for (const { input, partition } of inputs) {
    const [start] = await application.log.offsets('start', [partition])
    const offset = BigInt(entry.offsets[input] ?? 0)
    if (start! <= offset) continue
    await expectNoOtherOwner(application, name, commits, latest)
    throw new FatalError(
      'OFFSET_OUT_OF_RANGE',
      `task ${name} has to go on at offset ${offset} of ${partition.topic}/${partition.partition}, ` +
        `which begins at ${start}: records were deleted before they were worked`,
    )
  }
}

async function startOffsets(
  { log, config }: Application,
  inputs: readonly InputPartition[],
): Promise<ReadonlyMap<string, Offset>> {
  const starts = new Map<string, Offset>()
  for (const { input, isRepartition, partition } of inputs) {
    const from = isRepartition || config.startFrom === 'earliest' ? 'start' : 'end'
    const [offset] = await log.offsets(from, [partition])
    starts.set(input, offset!)
  }
  return starts
}

function refuseForeignLog(name: string, owner: OwnerEntry, { fingerprint, config }: Application): void {
  const differences = differencesBetween(owner.fingerprint, fingerprint)
  if (differences.length === 0) return
  throw new StateMismatchError(
    `Application ${config.applicationId} has state of another topology (task ${name}); ` +
      'use another application id, or reset this one:',
    differences,
  )
}

async function refuseLostCommitLog(
  application: Application,
  name: string,
  commits: TopicPartition,
  committed: readonly (Offset | null)[],
  changelogs: readonly Changelog[],
): Promise<void> {
  const problems: string[] = []
  if (committed.some((offset) => offset !== null)) problems.push('the consumer group has committed offsets')
  for (const { topic, partition, end } of changelogs) {
    if (end > 0n) problems.push(`changelog ${topic}/${partition} has entries`)
  }
  if (problems.length === 0) return
  await expectNoOtherOwner(application, name, commits, undefined)
  throw new StateMismatchError(
    `The commit log of task ${name} is empty, and yet the task has worked before; its positions are lost:`,
    problems,
  )
}

/** Names the new owner in the commit log of each task, and gives a task that never committed its first entry. */
async function claimOwnership(spec: StartSpec, started: readonly RunningTask[]): Promise<void> {
  if (started.length === 0) return
  const { application, producer, member } = spec
  const { config, topicPrefix, directory, fingerprint } = application
  const owner: OwnerEntry = {
    formatVersion: 1,
    transactionalId: producer.transactionalId,
    instance: directory.location,
    fingerprint,
  }
  const batches = started.map((running): OutgoingBatch => {
    const { id } = running.task
    const records = new RecordBatchBuilder()
    if (running.task.parts.commitId === 0) {
      const first: CommitEntry = running.entryNow(0, [])
      records.append(0, COMMIT_KEYS.latest, encodeEntry(first))
    }
    records.append(0, COMMIT_KEYS.owner, encodeEntry(owner))
    return { topic: commitLogTopic(topicPrefix, id.subTopology), partition: id.partition, records }
  })
  producer.begin()
  await producer.send(batches)
  await producer.addOffsets(
    config.applicationId,
    started.flatMap((running) => running.inputOffsets()),
    member,
  )
  await producer.commit()
}

/** Thrown by `checkWanted`: starting again later is no mistake. */
export class NotWantedError extends RetriableError {
  constructor() {
    super('TASKS_NOT_WANTED', 'a rebalance began while tasks were starting')
  }
}

/**
 * Who stands still while it starts a task may meet what the next owner has done since, and must not take that for
 * damage: `RetriableError` when there is a newer commit than `latest`, the one that was found at first.
 */
async function expectNoOtherOwner(
  { log }: Application,
  name: string,
  commits: TopicPartition,
  latest: CommitEntry | undefined,
): Promise<void> {
  const [end] = await log.offsets('end', [commits])
  const now = await readNewest(log, commits, end!)
  if (now.latest?.commitId === latest?.commitId) return
  throw new RetriableError('TASK_TAKEN_OVER', `task ${name} was taken over while it was starting`)
}
