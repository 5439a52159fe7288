/**
 * Resets an application: forgets its positions, its state and its internal topics, so that it begins anew. What it has
 * written into other topics stays.
 *
 * What lives in `jobs/`: work on an application that is done beside it, planned first and then carried out. What never
 * does: the path of a record, the command line.
 */
import { lstat, readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { acquireDirectoryLock, type DirectoryLock } from '../directory-lock.ts'
import { codeOf, FatalError } from '../errors.ts'
import type { Log, Offset, TopicPartition } from '../log/log.ts'
import { readStatus } from '../runtime/status.ts'
import { incarnationsTopic } from '../runtime/internal-topics.ts'
import { parseTaskName } from '../runtime/task-id.ts'
import { topicsOfApplication } from './own-topics.ts'

/** What is to be reset. */
export interface ResetSpec {
  readonly log: Log
  readonly applicationId: string
  /** Where the states of all applications are kept: `<state folder>/<application id>/<instance>/<task>`. */
  readonly stateFolder: string
}

/** What a reset would remove. */
export interface ResetPlan {
  readonly applicationId: string
  /** Committed positions of the group. */
  readonly positions: readonly (TopicPartition & { readonly offset: Offset })[]
  readonly internalTopics: readonly string[]
  /** Folders of instances, absolute. */
  readonly stateFolders: readonly string[]
}

const LOCK_FILE = 'millrace.lock'

/** Whether there is nothing to reset. */
export function isEmptyPlan({ positions, internalTopics, stateFolders }: ResetPlan): boolean {
  return positions.length + internalTopics.length + stateFolders.length === 0
}

/**
 * Finds what belongs to the application; changes nothing. `FatalError`: `APPLICATION_RUNNING` while its group has
 * members, `STATE_FOLDER_FOREIGN` when something in its state folder is not of millrace's making.
 */
export async function planReset({ log, applicationId, stateFolder }: ResetSpec): Promise<ResetPlan> {
  await refuseMembers(log, applicationId)
  return {
    applicationId,
    positions: await findPositions(log, applicationId),
    internalTopics: topicsOfApplication(applicationId, await log.listTopics()),
    stateFolders: await findStateFolders(path.join(stateFolder, applicationId), stateFolder),
  }
}

/**
 * Removes what was planned: state first, then positions, then topics, so that whatever a kill leaves behind either
 * works as before or is found by the next reset. Refuses as `planReset` does, and with `STATE_IN_USE` while another
 * process holds one of the folders; then nothing was removed.
 */
export async function reset(spec: ResetSpec, plan: ResetPlan): Promise<void> {
  const { log, applicationId, stateFolder } = spec
  await refuseMembers(log, applicationId)
  const locks: DirectoryLock[] = []
  try {
    for (const folder of plan.stateFolders) locks.push(await lockFolder(folder))
    // Once more, now that nobody else can put anything there.
    const found = await findStateFolders(path.join(stateFolder, applicationId), stateFolder)
    for (const folder of found.filter((name) => plan.stateFolders.includes(name))) await removeTasks(folder)
  } finally {
    for (const lock of locks) await lock.release()
  }
  for (const folder of plan.stateFolders) await removeEmpty(folder)
  await removeEmpty(path.join(stateFolder, applicationId))
  await log.deleteGroup(applicationId)
  // What says which incarnation counts goes last: without it an earlier one would be taken for the current one.
  const last = incarnationsTopic(applicationId)
  await log.deleteTopics(plan.internalTopics.filter((topic) => topic !== last))
  await log.deleteTopics(plan.internalTopics.filter((topic) => topic === last))
}

async function refuseMembers(log: Log, applicationId: string): Promise<void> {
  const { memberIds } = await log.describeGroup(applicationId)
  if (memberIds.length === 0) return
  throw new FatalError(
    'APPLICATION_RUNNING',
    `Application ${applicationId} is running (${memberIds.length} instances in its group). Stop it first; ` +
      'an instance that was killed leaves the group after ten seconds.',
  )
}

async function findPositions(log: Log, applicationId: string): Promise<ResetPlan['positions']> {
  const { tasks } = await readStatus(log, applicationId)
  const partitions = tasks.flatMap(({ inputs }) =>
    inputs.map(({ topic, partition }) => ({ topic, partition })),
  )
  if (partitions.length === 0) return []
  const offsets = await log.committedOffsets(applicationId, partitions)
  return partitions.flatMap((partition, index) => {
    const offset = offsets[index] ?? null
    return offset === null ? [] : [{ ...partition, offset }]
  })
}

/** The folders of all instances; refuses anything that is not laid out as millrace does it. */
async function findStateFolders(folder: string, within: string): Promise<readonly string[]> {
  const names = await entriesOf(folder)
  if (names === undefined) return []
  // Links further up are the user's own way to name the data directory; nothing below it may lead out of it.
  await refuseLink(within)
  await refuseLink(folder)
  const folders: string[] = []
  for (const name of names) {
    const instance = path.join(folder, name)
    if (!/^\d{1,6}$/.test(name)) throw foreign(instance, 'its name is no instance number')
    await refuseLink(instance)
    for (const task of (await entriesOf(instance)) ?? []) await checkTask(instance, task)
    folders.push(instance)
  }
  return folders
}

async function checkTask(instance: string, name: string): Promise<void> {
  if (name.startsWith(LOCK_FILE)) return
  const folder = path.join(instance, name)
  if (parseTaskName(name) === undefined) throw foreign(folder, 'its name is no task')
  await refuseLink(folder)
  const files = (await entriesOf(folder)) ?? []
  const isDatabase = files.length === 0 || files.includes('CURRENT') || files.includes('LOCK')
  if (!isDatabase) throw foreign(folder, 'it holds no LevelDB')
  for (const file of files) {
    if (!(await lstat(path.join(folder, file))).isFile())
      throw foreign(path.join(folder, file), 'it is no file')
  }
}

/** Names in a folder; `undefined` where it is missing. */
async function entriesOf(folder: string): Promise<readonly string[] | undefined> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (codeOf(error, '') === 'ENOENT') return undefined
    if (codeOf(error, '') === 'ENOTDIR') throw foreign(folder, 'it is no folder')
    throw error
  }
}

async function refuseLink(folder: string): Promise<void> {
  if ((await lstat(folder)).isSymbolicLink()) throw foreign(folder, 'it is a symbolic link')
}

function foreign(place: string, why: string): FatalError {
  return new FatalError(
    'STATE_FOLDER_FOREIGN',
    `${place} is not of millrace's making: ${why}. Nothing was removed; move it away first.`,
  )
}

async function lockFolder(folder: string): Promise<DirectoryLock> {
  const lock = await acquireDirectoryLock(folder)
  if (lock !== undefined) return lock
  throw new FatalError(
    'STATE_IN_USE',
    `The state in ${folder} is in use by another process. Nothing was removed.`,
  )
}

/** Removes the tasks of an instance whose folder is locked and checked. */
async function removeTasks(instance: string): Promise<void> {
  for (const task of (await entriesOf(instance)) ?? []) {
    if (parseTaskName(task) !== undefined)
      await rm(path.join(instance, task), { recursive: true, force: true })
  }
}

async function removeEmpty(folder: string): Promise<void> {
  if ((await entriesOf(folder))?.length === 0) await rm(folder, { recursive: true, force: true })
}
