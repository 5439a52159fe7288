/** What the savepoint commands and `run --from-savepoint` share. */
import path from 'node:path'
import { FatalError } from '../errors.ts'
import { openSavepoint, type Savepoint, type SavepointPlace } from '../jobs/savepoint/savepoint-folder.ts'
import type { Manifest } from '../jobs/savepoint/manifest.ts'
import { LevelStateDirectory } from '../state/level-directory.ts'
import type { CommandContext } from './command.ts'
import { formatCount } from './text.ts'

/** Where the savepoints of all applications are. */
export function savepointRoot({ settings, directories }: CommandContext): string {
  const { savepointDir } = settings
  return savepointDir === undefined ? path.join(directories.data, 'savepoints') : path.resolve(savepointDir)
}

/** The place of a savepoint of the application. */
export function placeOf(context: CommandContext, name: string): SavepointPlace {
  return { root: savepointRoot(context), applicationId: context.settings.applicationId, name }
}

/** The savepoint that an argument names. */
export function openNamed(context: CommandContext, name: string): Promise<Savepoint> {
  return openSavepoint(placeOf(context, name))
}

/** A LevelDB for work in between. */
export async function openScratch(folder: string): Promise<LevelStateDirectory> {
  const directory = await LevelStateDirectory.acquire(folder)
  if (directory !== undefined) return directory
  throw new FatalError('STATE_IN_USE', `${folder} is in use by another process.`)
}

/** Bytes of all files. */
export function bytesOf({ files }: Manifest): number {
  return files.reduce((sum, { bytes }) => sum + bytes, 0)
}

/** `1,234 entries, 5 held records`. */
export function contentsOf({ files }: Manifest): string {
  const sum = (kind: 'store' | 'held'): number =>
    files.filter((file) => file.kind === kind).reduce((total, { records }) => total + records, 0)
  const held = sum('held')
  return `${formatCount(sum('store'))} entries` + (held === 0 ? '' : `, ${formatCount(held)} held records`)
}
