/**
 * Goes back to a savepoint: fills new internal topics from it, and then makes them the current incarnation of the
 * application in one transaction. Until that is committed nothing has changed; what a kill leaves behind is topics that
 * nobody uses, and the next restore takes the next number.
 */
import type { Clock } from '../../clock.ts'
import { FatalError, FencedError, StateMismatchError, UnknownOutcomeError } from '../../errors.ts'
import type { Log, LogProducer, OutgoingBatch, PartitionOffset } from '../../log/log.ts'
import { RecordBatchBuilder } from '../../log/record-batch-builder.ts'
import {
  COMMIT_KEYS,
  encodeEntry,
  type ChangelogPosition,
  type CommitEntry,
  type OwnerEntry,
} from '../../runtime/commit-entry.ts'
import { readIncarnations, type IncarnationRecord } from '../../runtime/incarnations.ts'
import {
  changelogTopic,
  commitLogTopic,
  incarnationOfTopic,
  incarnationsTopic,
  repartitionTopic,
  topicPrefixOf,
} from '../../runtime/internal-topics.ts'
import { internalTopicSpecs, layoutOf } from '../../runtime/layout.ts'
import { parseTaskName } from '../../runtime/task-id.ts'
import { differencesBetween } from '../../topology/fingerprint.ts'
import type { Topology } from '../../topology/topology.ts'
import { readContainerFile } from './container-file.ts'
import { settleTasks } from './cut.ts'
import { moveEntry, OffsetMap } from './held-offsets.ts'
import type { Manifest, SavepointFile } from './manifest.ts'
import { cutOf } from './published-since.ts'
import { refuseDamaged } from './verify.ts'
import type { Savepoint } from './savepoint-folder.ts'
import { fillPartition } from './topic-filler.ts'

/** Which application shall stand where the savepoint was taken. */
export interface RestoreTarget {
  /** That of the savepoint, or another one: then that begins there, under its own group and internal topics. */
  readonly applicationId: string
  /** What it will run; must be the savepoint's, but for stages without state. */
  readonly topology: Topology
}

/** With what. */
export interface RestoreContext {
  readonly log: Log
  readonly clock: Clock
  /** Records written so far, of all. */
  readonly onProgress?: (done: number, total: number) => void
}

/**
 * Long enough for a transaction of `fillPartition` on a slow log; and after a kill in the last one an instance that
 * starts waits so long to know which incarnation counts.
 */
const TRANSACTION_TIMEOUT_MS = 15_000

/**
 * Restores; resolves with the number of the new incarnation. Whether what was published since may come twice is for
 * the caller to decide: see `publishedSince`.
 *
 * `StateMismatchError` with all differences where the topology, its windows, partition counts, or the source topics are
 * not the savepoint's. `FatalError`: `APPLICATION_RUNNING` while the group has members, `SAVEPOINT_DAMAGED`,
 * `RESTORE_OVERTAKEN` where another restore of the application began later. Nothing has changed then.
 */
export async function restoreInto(
  context: RestoreContext,
  savepoint: Savepoint,
  target: RestoreTarget,
): Promise<number> {
  const { log, clock } = context
  const { applicationId } = target
  await checkTarget(log, savepoint, target)
  await refuseDamaged(savepoint)
  await settleTasks(log, clock, applicationId)
  // Fences any other restore first: two never fill the same topics.
  const transactionalId = `${applicationId}-restore`
  const producer = await log.producer({ transactionalId, transactionTimeoutMs: TRANSACTION_TIMEOUT_MS })
  try {
    const incarnation = await makeTopics(log, target)
    const entries = await fill(context, savepoint, producer, topicPrefixOf(applicationId, incarnation))
    await switchTo(context, savepoint, target, producer, incarnation, entries)
    return incarnation
  } catch (error) {
    throw await explained(error, log, applicationId, transactionalId)
  } finally {
    await producer.close().catch(() => undefined)
  }
}

async function refuseRunning(log: Log, applicationId: string): Promise<void> {
  const { memberIds } = await log.describeGroup(applicationId)
  if (memberIds.length === 0) return
  throw new FatalError(
    'APPLICATION_RUNNING',
    `Application ${applicationId} is running (${memberIds.length} in its group): stop all instances before it goes ` +
      'back to a savepoint. One that was killed leaves the group after ten seconds.',
  )
}

/**
 * What can be checked without touching anything: that the application does not run, and that topology and source topics
 * are those of the savepoint. Errors as `restoreInto` has them.
 */
export async function checkTarget(
  log: Log,
  { manifest }: Savepoint,
  { applicationId, topology }: RestoreTarget,
): Promise<void> {
  await refuseRunning(log, applicationId)
  const { fingerprint } = await layoutOf(log, topology)
  const differences = [...differencesBetween(manifest.fingerprint, fingerprint)]
  if (differences.length === 0) differences.push(...(await sourceProblems(log, manifest)))
  if (differences.length === 0) return
  throw new StateMismatchError(
    `The savepoint ${manifest.name} is not one of this topology over these topics:`,
    differences,
  )
}

/** What has happened to the source topics since. */
async function sourceProblems(log: Log, { inputs }: Manifest): Promise<readonly string[]> {
  const sources = inputs.filter(({ isRepartition }) => !isRepartition)
  const described = await log.describeTopics([...new Set(sources.map(({ topic }) => topic))])
  const starts = await log.offsets('start', sources)
  const ends = await log.offsets('end', sources)
  return sources.flatMap(({ topic, partition, topicId, offset }, index) => {
    const place = `${topic}/${partition}`
    if (described.get(topic)?.topicId !== topicId) return [`${topic} was deleted and made anew`]
    if (ends[index]! < BigInt(offset)) return [`${place} ends at ${ends[index]}, before offset ${offset}`]
    if (starts[index]! > BigInt(offset))
      return [`${place} begins at ${starts[index]}: what comes behind offset ${offset} was deleted`]
    return []
  })
}

/** Makes the topics under a number that was never used; answers it. */
async function makeTopics(log: Log, { applicationId, topology }: RestoreTarget): Promise<number> {
  const { plan } = await layoutOf(log, topology)
  const used = (await log.listTopics()).flatMap((topic) => incarnationOfTopic(applicationId, topic) ?? [])
  const known = (await readIncarnations(log, applicationId)).map(({ incarnation }) => incarnation)
  const incarnation = Math.max(0, ...used, ...known) + 1
  const settings = { cleanup: 'compact', retentionMs: -1 } as const
  await log.createTopics([
    { name: incarnationsTopic(applicationId), partitions: 1, settings },
    ...internalTopicSpecs(topology, plan, topicPrefixOf(applicationId, incarnation)),
  ])
  return incarnation
}

/** Fills changelogs and repartition topics; answers with the commit entries that fit them, by task. */
async function fill(
  { log, onProgress }: RestoreContext,
  { folder, manifest }: Savepoint,
  producer: LogProducer,
  prefix: string,
): Promise<ReadonlyMap<string, CommitEntry>> {
  const total = manifest.files.reduce((sum, { records }) => sum + records, 0)
  let done = 0
  const tell = (): void => {
    done++
    if (done % 1_000 === 0 || done === total) onProgress?.(done, total)
  }
  const changelogs = new Map<string, Record<string, ChangelogPosition>>()
  const held = new Map<string, Map<string, OffsetMap>>()
  for (const { task } of manifest.tasks) {
    changelogs.set(task, {})
    held.set(task, new Map())
  }
  for (const file of manifest.files) {
    const { partition } = parseTaskName(file.task)!
    if (isKind(file, 'store')) {
      const topic = changelogTopic(prefix, file.name)
      const records = readContainerFile(folder, file)
      const { next } = await fillPartition(producer, { topic, partition }, records, tell)
      const { topicId } = (await log.describeTopics([topic])).get(topic)!
      changelogs.get(file.task)![file.name] = { topicId, offset: String(next) }
    } else if (isKind(file, 'held')) {
      const place = { topic: repartitionTopic(prefix, file.name), partition }
      const { entry } = manifest.tasks.find(({ task }) => task === file.task)!
      const map = new OffsetMap(entry, file.name)
      await fillPartition(producer, place, readContainerFile(folder, file), (record, offset) => {
        map.moved(record.offset, Number(offset))
        tell()
      })
      held.get(file.task)!.set(file.name, map)
    }
  }
  return new Map(
    manifest.tasks.map(({ task, entry }) => [task, moveEntry(entry, changelogs.get(task)!, held.get(task)!)]),
  )
}

function isKind<K extends SavepointFile['kind']>(
  file: SavepointFile,
  kind: K,
): file is SavepointFile & { readonly kind: K } {
  return file.kind === kind
}

/** The one transaction that makes the new incarnation the current one. */
async function switchTo(
  { clock }: RestoreContext,
  { manifest, sha256 }: Savepoint,
  { applicationId }: RestoreTarget,
  producer: LogProducer,
  incarnation: number,
  entries: ReadonlyMap<string, CommitEntry>,
): Promise<void> {
  const prefix = topicPrefixOf(applicationId, incarnation)
  const atMs = clock.now()
  const record: IncarnationRecord = {
    formatVersion: 1,
    incarnation,
    beganAtMs: atMs,
    savepoint: {
      application: manifest.application,
      name: manifest.name,
      sha256,
      incarnation: manifest.incarnation,
    },
    cut: cutOf(manifest),
  }
  const own = new RecordBatchBuilder()
  own.append(atMs, String(incarnation), encodeEntry(record))
  const owner: OwnerEntry = {
    formatVersion: 1,
    transactionalId: producer.transactionalId,
    instance: `savepoint ${manifest.name}`,
    fingerprint: manifest.fingerprint,
  }
  producer.begin()
  // The record before the offsets: whoever joins in between meets it, and waits for the outcome.
  await producer.send([
    { topic: incarnationsTopic(applicationId), partition: 0, records: own },
    ...entryBatches(manifest, entries, owner, prefix, atMs),
  ])
  await producer.addOffsets(applicationId, offsetsOf(entries, manifest, prefix))
  await producer.commit()
}

function entryBatches(
  { run }: Manifest,
  entries: ReadonlyMap<string, CommitEntry>,
  owner: OwnerEntry,
  prefix: string,
  atMs: number,
): readonly OutgoingBatch[] {
  return [...entries].map(([task, entry]): OutgoingBatch => {
    const { subTopology, partition } = parseTaskName(task)!
    const records = new RecordBatchBuilder()
    records.append(atMs, COMMIT_KEYS.latest, encodeEntry(entry))
    records.append(atMs, COMMIT_KEYS.history(entry.commitId), encodeEntry(entry))
    records.append(atMs, COMMIT_KEYS.owner, encodeEntry(owner))
    if (subTopology === 0 && partition === 0 && run !== null) {
      records.append(atMs, COMMIT_KEYS.run, encodeEntry(run))
    }
    return { topic: commitLogTopic(prefix, subTopology), partition, records }
  })
}

/** What the group shows; positions themselves come from the commit log. */
function offsetsOf(
  entries: ReadonlyMap<string, CommitEntry>,
  { inputs }: Manifest,
  prefix: string,
): readonly PartitionOffset[] {
  return inputs.map(({ task, topic, isRepartition, partition }) => ({
    topic: isRepartition ? repartitionTopic(prefix, topic) : topic,
    partition,
    offset: BigInt(entries.get(task)!.offsets[topic]!),
  }))
}

/** Being fenced has two reasons here: somebody joined the group, or another restore began. */
async function explained(
  error: unknown,
  log: Log,
  applicationId: string,
  transactionalId: string,
): Promise<unknown> {
  if (error instanceof UnknownOutcomeError) {
    return new FatalError(
      'RESTORE_UNKNOWN',
      `Nobody knows whether the last transaction of the restore was committed: ${error.message} ` +
        'Run the same command again: it looks first.',
      { cause: error },
    )
  }
  if (!(error instanceof FencedError)) return error
  const { memberIds } = await log.describeGroup(applicationId)
  // The transaction is open still, and whoever wants to know the current incarnation would wait for it.
  if (memberIds.length > 0) await log.fenceProducer(transactionalId)
  await refuseRunning(log, applicationId)
  return new FatalError('RESTORE_OVERTAKEN', `Another restore of application ${applicationId} has begun.`, {
    cause: error,
  })
}
