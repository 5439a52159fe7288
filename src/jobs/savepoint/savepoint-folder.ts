/**
 * Where savepoints are kept: `<root>/<application>/<name>/`. A savepoint is a folder with a manifest; a folder without
 * one is what a creation that was killed has left behind, and is never taken for a savepoint.
 */
import { mkdir, open, readdir, readFile, rename, rm, rmdir } from 'node:fs/promises'
import path from 'node:path'
import { acquireDirectoryLock, type DirectoryLock } from '../../directory-lock.ts'
import { codeOf, ConfigError, FatalError } from '../../errors.ts'
import { isLegalName } from '../../topology/validation.ts'
import {
  decodeManifest,
  encodeManifest,
  MANIFEST_FILE,
  type Manifest,
  type ReadManifest,
} from './manifest.ts'

/** Which savepoint, of which application, where. */
export interface SavepointPlace {
  /** Folder of the savepoints of all applications. */
  readonly root: string
  readonly applicationId: string
  readonly name: string
}

/** A savepoint that is complete. */
export interface Savepoint extends ReadManifest {
  readonly folder: string
}

const SCRATCH = 'scratch'
const LEGAL = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/

/** `ConfigError` for a name that is none: it becomes the name of a folder. */
export function checkSavepointName(name: string): void {
  if (LEGAL.test(name)) return
  throw new ConfigError([
    `${JSON.stringify(name)} cannot name a savepoint: ` +
      'use 1 to 100 letters, digits, ".", "_" or "-", a letter or digit first',
  ])
}

/** A name that sorts by time: `2026-11-21T13-45-10.123Z`. */
export function nameFromTime(nowMs: number): string {
  return new Date(nowMs).toISOString().replaceAll(':', '-')
}

/** The folder of a savepoint, whether it exists or not. `ConfigError` for names that lead elsewhere. */
export function folderOf({ root, applicationId, name }: SavepointPlace): string {
  checkSavepointName(name)
  if (!isLegalName(applicationId))
    throw new ConfigError([`${JSON.stringify(applicationId)} is no application id`])
  return path.join(root, applicationId, name)
}

/**
 * Opens a savepoint. `FatalError`: `SAVEPOINT_UNKNOWN`, `SAVEPOINT_UNFINISHED` where its creation never ended,
 * `SAVEPOINT_DAMAGED`, `SAVEPOINT_FORMAT`. `ConfigError` for a name that is none.
 */
export async function openSavepoint(place: SavepointPlace): Promise<Savepoint> {
  const folder = folderOf(place)
  const file = path.join(folder, MANIFEST_FILE)
  const text = await readText(file)
  if (text !== undefined) return { folder, ...decodeManifest(text, file) }
  const { root, applicationId, name } = place
  if ((await entriesOf(folder)) !== undefined) {
    throw new FatalError(
      'SAVEPOINT_UNFINISHED',
      `The savepoint ${name} is not finished: its creation was interrupted. Create it again under the same name.`,
    )
  }
  const known = (await listSavepoints(root, applicationId)).map((found) => found.name)
  throw new FatalError(
    'SAVEPOINT_UNKNOWN',
    `Application ${applicationId} has no savepoint ${name}` +
      (known.length === 0 ? '.' : `; it has ${known.join(', ')}.`),
  )
}

/** What lies in the folder of an application. */
export interface ListedSavepoint {
  readonly name: string
  /** Undefined for a folder without one, and where it cannot be read. */
  readonly manifest: Manifest | undefined
  /** Why there is no manifest; undefined where there is one. */
  readonly problem: string | undefined
}

/** All savepoints of an application, oldest first by what they say, then those that are none, by name. */
export async function listSavepoints(
  root: string,
  applicationId: string,
): Promise<readonly ListedSavepoint[]> {
  const names = (await entriesOf(path.join(root, applicationId))) ?? []
  const listed: ListedSavepoint[] = []
  for (const name of names.filter((entry) => LEGAL.test(entry)).sort()) {
    const file = path.join(root, applicationId, name, MANIFEST_FILE)
    const text = await readText(file)
    listed.push(text === undefined ? { name, manifest: undefined, problem: 'unfinished' } : read(name, text))
  }
  return listed.sort((a, b) => compare(a.manifest?.createdAt ?? '~', b.manifest?.createdAt ?? '~'))
}

function read(name: string, text: string): ListedSavepoint {
  try {
    return { name, manifest: decodeManifest(text, name).manifest, problem: undefined }
  } catch (error) {
    return {
      name,
      manifest: undefined,
      problem: codeOf(error, '') === 'SAVEPOINT_FORMAT' ? 'other format' : 'damaged',
    }
  }
}

/** A savepoint that is being made. The folder is locked while it is. */
export class SavepointDraft {
  readonly folder: string
  private readonly lock: DirectoryLock

  private constructor(folder: string, lock: DirectoryLock) {
    this.folder = folder
    this.lock = lock
  }

  /**
   * Takes the folder; what an interrupted creation has left in it is removed. `FatalError`: `SAVEPOINT_EXISTS`,
   * `SAVEPOINT_IN_USE` while another process makes one of this name.
   */
  static async begin(place: SavepointPlace): Promise<SavepointDraft> {
    const folder = folderOf(place)
    const lock = await acquireDirectoryLock(folder)
    if (lock === undefined) {
      throw new FatalError('SAVEPOINT_IN_USE', `Another process is just making a savepoint ${place.name}.`)
    }
    const draft = new SavepointDraft(folder, lock)
    try {
      if ((await readText(path.join(folder, MANIFEST_FILE))) !== undefined) {
        throw new FatalError(
          'SAVEPOINT_EXISTS',
          `There is a savepoint ${place.name} already; nothing was changed.`,
        )
      }
      await draft.clear()
      return draft
    } catch (error) {
      await lock.release()
      throw error
    }
  }

  /** Makes it a savepoint: from here on it survives everything. */
  async finish(manifest: Omit<Manifest, 'format' | 'formatVersion'>): Promise<Savepoint> {
    const { text, ...encoded } = encodeManifest(manifest)
    const aside = path.join(this.folder, `${MANIFEST_FILE}.new`)
    const handle = await open(aside, 'w')
    try {
      await handle.writeFile(text)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(aside, path.join(this.folder, MANIFEST_FILE))
    // The names, too: of the files, and of the folders up to the root.
    for (const folder of [this.folder, path.dirname(this.folder), path.dirname(path.dirname(this.folder))]) {
      await syncFolder(folder)
    }
    return { folder: this.folder, ...encoded }
  }

  /** Gives up: nothing of it stays, unless it is a savepoint already. */
  async abandon(): Promise<void> {
    const isFinished = (await readText(path.join(this.folder, MANIFEST_FILE))) !== undefined
    if (!isFinished) await this.clear()
    await this.lock.release()
    // Only an empty folder goes: what somebody else has put there is not ours.
    if (!isFinished) await rmdir(this.folder).catch(() => undefined)
  }

  async release(): Promise<void> {
    await this.lock.release()
  }

  /** An empty folder beside the files, for work in between. */
  async scratchFolder(): Promise<string> {
    const folder = path.join(this.folder, SCRATCH)
    await mkdir(folder, { recursive: true })
    return folder
  }

  async removeScratch(): Promise<void> {
    await rm(path.join(this.folder, SCRATCH), { recursive: true, force: true })
  }

  private async clear(): Promise<void> {
    for (const name of (await entriesOf(this.folder)) ?? []) {
      const isOurs = /^((store|held)-.*\.avro|scratch|manifest\.json\.new)$/.test(name)
      if (isOurs) await rm(path.join(this.folder, name), { recursive: true, force: true })
    }
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function readText(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(codeOf(error, ''))) return undefined
    throw error
  }
}

/** Names in a folder; `undefined` where it is missing. */
async function entriesOf(folder: string): Promise<readonly string[] | undefined> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(codeOf(error, ''))) return undefined
    throw error
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
