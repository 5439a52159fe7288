/** Local state of applications: `<data dir>/state/<application id>/<instance>/<task>`. */
import { lstat, readdir } from 'node:fs/promises'
import path from 'node:path'
import { ConfigError, FatalError, codeOf, messageOf } from '../errors.ts'
import { parseTaskName } from '../runtime/task-id.ts'
import { LevelStateDirectory } from '../state/level-directory.ts'
import type { Directories } from './command.ts'

/** The folder of an application. */
export function applicationFolder({ state }: Directories, applicationId: string): string {
  return path.join(state, applicationId)
}

/**
 * A folder for an instance: the first one that is free and has state, else the one of the lowest free number.
 * `FatalError` `STATE_DIRECTORY_UNUSABLE` when it cannot be made or is no directory.
 */
export async function acquireStateFolder(
  directories: Directories,
  applicationId: string,
): Promise<LevelStateDirectory> {
  const folder = applicationFolder(directories, applicationId)
  try {
    const stored = await instancesWithState(folder)
    for (const instance of stored) {
      const acquired = await LevelStateDirectory.acquire(path.join(folder, instance))
      if (acquired !== undefined) return acquired
    }
    for (let instance = 0; ; instance++) {
      if (stored.includes(String(instance))) continue
      const acquired = await LevelStateDirectory.acquire(path.join(folder, String(instance)))
      if (acquired !== undefined) return acquired
    }
  } catch (error) {
    if (error instanceof ConfigError || codeOf(error, '') === 'ENOSPC') throw error
    throw new FatalError(
      'STATE_DIRECTORY_UNUSABLE',
      `No state can be kept in ${folder}: ${messageOf(error)}`,
      {
        cause: error,
      },
    )
  }
}

/**
 * The one folder of an application that runs in one process at a time; `undefined` while another process has it.
 */
export function acquireSoleFolder(
  directories: Directories,
  applicationId: string,
): Promise<LevelStateDirectory | undefined> {
  return LevelStateDirectory.acquire(path.join(applicationFolder(directories, applicationId), '0'))
}

async function instancesWithState(folder: string): Promise<readonly string[]> {
  const instances = await numberedFolders(folder)
  const withState: string[] = []
  for (const instance of instances) {
    const entries = await readdir(path.join(folder, instance))
    if (entries.some((entry) => parseTaskName(entry) !== undefined)) withState.push(instance)
  }
  return withState
}

/** The instances of an application, in order; none where the folder is missing. */
export async function numberedFolders(folder: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true })
    return entries
      .filter((entry) => entry.isDirectory() && /^\d{1,6}$/.test(entry.name))
      .map(({ name }) => name)
      .sort((a, b) => Number(a) - Number(b))
  } catch (error) {
    if (codeOf(error, '') === 'ENOENT') return []
    throw error
  }
}

/** Bytes on disk of each task's state, over all instances of an application. */
export async function stateSizes(folder: string): Promise<ReadonlyMap<string, number>> {
  const sizes = new Map<string, number>()
  for (const instance of await numberedFolders(folder)) {
    for (const [task, bytes] of await instanceSizes(path.join(folder, instance))) {
      sizes.set(task, (sizes.get(task) ?? 0) + bytes)
    }
  }
  return sizes
}

/** Bytes on disk of each task's state, in the folder of one instance. */
export async function instanceSizes(folder: string): Promise<ReadonlyMap<string, number>> {
  const sizes = new Map<string, number>()
  for (const task of await readdir(folder)) {
    if (parseTaskName(task) !== undefined) sizes.set(task, await sizeOf(path.join(folder, task)))
  }
  return sizes
}

/** Files come and go while the application runs: what is gone counts nothing. */
async function sizeOf(folder: string): Promise<number> {
  let bytes = 0
  try {
    for (const name of await readdir(folder)) {
      const found = await lstat(path.join(folder, name)).catch(() => undefined)
      if (found?.isFile() === true) bytes += found.size
    }
  } catch (error) {
    if (codeOf(error, '') !== 'ENOENT') throw error
  }
  return bytes
}
