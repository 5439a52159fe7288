/**
 * The cut through an application that a savepoint is taken at: the newest commit of each task, while nobody works any.
 */
import { sleep, type Clock } from '../../clock.ts'
import { FatalError, StateMismatchError } from '../../errors.ts'
import type { Log, Offset, TopicDescription, TopicPartition } from '../../log/log.ts'
import { readNewestRun, type BoundedRun } from '../../runtime/bounded-run.ts'
import type { CommitEntry, OwnerEntry } from '../../runtime/commit-entry.ts'
import { readNewest } from '../../runtime/commit-log.ts'
import { currentIncarnation } from '../../runtime/incarnations.ts'
import {
  changelogTopic,
  commitLogTopic,
  repartitionTopic,
  topicPrefixOf,
} from '../../runtime/internal-topics.ts'
import { taskName, type TaskId } from '../../runtime/task-id.ts'
import { differencesBetween, type Fingerprint } from '../../topology/fingerprint.ts'

/** A task at the cut. */
export interface CutTask {
  readonly id: TaskId
  readonly task: string
  readonly entry: CommitEntry
  /** Its partition of the commit log, and where that ended. */
  readonly commits: TopicPartition
  readonly commitsEnd: Offset
  readonly inputs: readonly CutInput[]
}

/** An input of a task at the cut. */
export interface CutInput extends TopicPartition {
  /** Source topic or repartition node, as the commit names it. */
  readonly input: string
  readonly isRepartition: boolean
  readonly topicId: string
  readonly offset: Offset
  /** Of a repartition partition: where it ended. */
  readonly end: Offset
}

export interface Cut {
  readonly applicationId: string
  readonly incarnation: number
  readonly prefix: string
  readonly fingerprint: Fingerprint
  readonly tasks: readonly CutTask[]
  readonly run: BoundedRun | undefined
}

/** How long an open transaction of somebody who is gone is waited for before he is fenced, and altogether. */
const FENCE_AFTER_MS = 1_000
const SETTLED_WITHIN_MS = 60_000
const LOOK_MS = 25

/**
 * Reads the cut. Nobody may work a task meanwhile: see `confirmCut`. `FatalError`: `APPLICATION_UNKNOWN` where it has
 * never run, `APPLICATION_NOT_STARTED` where a task has never been started, `LOG_UNSETTLED` where a transaction stays
 * open.
 */
export async function readCut(log: Log, clock: Clock, applicationId: string): Promise<Cut> {
  const incarnation = await currentIncarnation(log, applicationId)
  const prefix = topicPrefixOf(applicationId, incarnation)
  const topics = new Set(await log.listTopics())
  const ids = await findTasks(log, prefix, topics)
  if (ids.length === 0) {
    throw new FatalError('APPLICATION_UNKNOWN', `There is no application ${applicationId}: it has never run.`)
  }
  const commitsOf = ({ subTopology, partition }: TaskId): TopicPartition => {
    return { topic: commitLogTopic(prefix, subTopology), partition }
  }
  await settle(log, clock, ids.map(commitsOf), applicationId)
  const tasks: CutTask[] = []
  const owners: OwnerEntry[] = []
  for (const id of ids) {
    const commits = commitsOf(id)
    const [commitsEnd] = await log.offsets('end', [commits])
    const { latest: entry, owner } = await readNewest(log, commits, commitsEnd!)
    if (entry === undefined || owner === undefined) {
      throw new FatalError(
        'APPLICATION_NOT_STARTED',
        `Task ${taskName(id)} of application ${applicationId} has never been started: let it run first.`,
      )
    }
    owners.push(owner)
    const inputs = await readInputs(log, prefix, id, entry, topics)
    tasks.push({ id, task: taskName(id), entry, commits, commitsEnd: commitsEnd!, inputs })
  }
  await settle(log, clock, repartitionsOf(tasks), applicationId)
  return {
    applicationId,
    incarnation,
    prefix,
    fingerprint: commonFingerprint(applicationId, owners),
    tasks: await Promise.all(tasks.map((task) => withEnds(log, task))),
    run: await readNewestRun({ log, topicPrefix: prefix }),
  }
}

/** Waits until nothing that the application began in its current incarnation is undecided. Nobody may work it. */
export async function settleTasks(log: Log, clock: Clock, applicationId: string): Promise<void> {
  const prefix = topicPrefixOf(applicationId, await currentIncarnation(log, applicationId))
  const ids = await findTasks(log, prefix, new Set(await log.listTopics()))
  const commits = ids.map(({ subTopology, partition }) => ({
    topic: commitLogTopic(prefix, subTopology),
    partition,
  }))
  await settle(log, clock, commits, applicationId)
}

/** `FatalError` `SAVEPOINT_OVERTAKEN` where somebody has worked or started a task since the cut was read. */
export async function confirmCut(log: Log, { tasks }: Cut): Promise<void> {
  const ends = await log.offsets(
    'end',
    tasks.map(({ commits }) => commits),
  )
  const moved = tasks.filter(({ commitsEnd }, index) => ends[index] !== commitsEnd)
  if (moved.length === 0) return
  throw new FatalError(
    'SAVEPOINT_OVERTAKEN',
    `The application went on while the savepoint was taken (task ${moved.map(({ task }) => task).join(', ')}). ` +
      'Nothing was kept; try again.',
  )
}

async function findTasks(log: Log, prefix: string, topics: ReadonlySet<string>): Promise<readonly TaskId[]> {
  const ids: TaskId[] = []
  for (let subTopology = 0; topics.has(commitLogTopic(prefix, subTopology)); subTopology++) {
    const topic = commitLogTopic(prefix, subTopology)
    const partitions = (await log.describeTopics([topic])).get(topic)?.partitions ?? 0
    for (let partition = 0; partition < partitions; partition++) ids.push({ subTopology, partition })
  }
  return ids
}

/**
 * Waits until no transaction is open in these partitions. Members of the group have none, so what is open belongs to
 * somebody who is gone: the log ends it when its time is over, or at once when he is fenced. What was decided before
 * may still become visible, and is waited for.
 */
async function settle(
  log: Log,
  clock: Clock,
  partitions: readonly TopicPartition[],
  applicationId: string,
): Promise<void> {
  const startMs = clock.monotonic()
  for (let fenced = false; ; await sleep(clock, LOOK_MS)) {
    const open = await openIn(log, partitions)
    if (open.length === 0) return
    const waitedMs = clock.monotonic() - startMs
    if (waitedMs > SETTLED_WITHIN_MS) {
      const names = open.map(({ topic, partition }) => `${topic}/${partition}`).join(', ')
      throw new FatalError('LOG_UNSETTLED', `A transaction has been open for a minute in ${names}.`)
    }
    if (!fenced && waitedMs > FENCE_AFTER_MS) {
      fenced = true
      await fenceOwners(log, applicationId)
    }
  }
}

async function openIn(log: Log, partitions: readonly TopicPartition[]): Promise<readonly TopicPartition[]> {
  if (partitions.length === 0) return []
  const ends = await log.offsets('end', partitions)
  const stable = await log.offsets('stable', partitions)
  return partitions.filter((_, index) => stable[index]! < ends[index]!)
}

async function fenceOwners(log: Log, applicationId: string): Promise<void> {
  const prefix = topicPrefixOf(applicationId, await currentIncarnation(log, applicationId))
  const owners = new Set<string>()
  for (const { subTopology, partition } of await findTasks(log, prefix, new Set(await log.listTopics()))) {
    const commits = { topic: commitLogTopic(prefix, subTopology), partition }
    const [stable] = await log.offsets('stable', [commits])
    const { owner } = await readNewest(log, commits, stable!)
    if (owner !== undefined) owners.add(owner.transactionalId)
  }
  for (const transactionalId of owners) await log.fenceProducer(transactionalId)
}

async function readInputs(
  log: Log,
  prefix: string,
  { partition }: TaskId,
  { offsets }: CommitEntry,
  topics: ReadonlySet<string>,
): Promise<readonly CutInput[]> {
  const inputs: CutInput[] = []
  for (const [input, offset] of Object.entries(offsets)) {
    const repartition = repartitionTopic(prefix, input)
    const isRepartition = topics.has(repartition)
    const topic = isRepartition ? repartition : input
    const { topicId } = await describe(log, topic)
    inputs.push({ input, isRepartition, topic, partition, topicId, offset: BigInt(offset), end: 0n })
  }
  return inputs
}

function repartitionsOf(tasks: readonly CutTask[]): readonly TopicPartition[] {
  return tasks.flatMap(({ inputs }) => inputs.filter(({ isRepartition }) => isRepartition))
}

async function withEnds(log: Log, task: CutTask): Promise<CutTask> {
  const ends = await log.offsets('end', task.inputs)
  return { ...task, inputs: task.inputs.map((input, index) => ({ ...input, end: ends[index]! })) }
}

function commonFingerprint(applicationId: string, owners: readonly OwnerEntry[]): Fingerprint {
  const [first, ...others] = owners.map(({ fingerprint }) => fingerprint)
  const differences = new Set(others.flatMap((other) => differencesBetween(first!, other)))
  if (differences.size === 0) return first!
  throw new StateMismatchError(`The tasks of application ${applicationId} belong to different topologies:`, [
    ...differences,
  ])
}

/** The changelog partition of a store of a task, and up to where it belongs to the cut. */
export async function changelogAt(
  log: Log,
  { prefix }: Cut,
  { id, task, entry }: CutTask,
  store: string,
): Promise<{ readonly partition: TopicPartition; readonly start: Offset; readonly end: Offset }> {
  const topic = changelogTopic(prefix, store)
  const { topicId } = await describe(log, topic)
  const position = entry.changelogs[store]!
  if (topicId !== position.topicId) {
    throw new StateMismatchError(`The changelogs of task ${task} are not those of its last commit:`, [
      `${topic} was deleted and made anew`,
    ])
  }
  const partition = { topic, partition: id.partition }
  const [start] = await log.offsets('start', [partition])
  return { partition, start: start!, end: BigInt(position.offset) }
}

async function describe(log: Log, topic: string): Promise<TopicDescription> {
  const description = (await log.describeTopics([topic])).get(topic)
  if (description === undefined) throw new FatalError('TOPIC_UNKNOWN', `topic ${topic} does not exist`)
  return description
}
