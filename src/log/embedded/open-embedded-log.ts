/** Opens the log of a directory, alone or beside other processes. */
import { mkdir, realpath } from 'node:fs/promises'
import path from 'node:path'
import { systemClock, systemRandom, type Clock, type Random } from '../../clock.ts'
import type { CleaningOptions } from './cleaner.ts'
import { EmbeddedLog } from './embedded-log.ts'
import { SharedBroker } from './shared-broker.ts'

/** Where the log is, and what its broker is given if this process comes to own it. */
export interface OpenEmbeddedLogOptions {
  /** Made where it is missing. */
  readonly directory: string
  /** Default the machine's. */
  readonly clock?: Clock
  readonly random?: Random
  readonly cleaning?: CleaningOptions
}

interface SharedInProcess {
  readonly broker: SharedBroker
  users: number
}

/** One per directory and process: LevelDB is never opened twice. */
const shared = new Map<string, SharedInProcess>()

/**
 * The log in `directory`. Any number of logs, of this and other processes, may be open on it: one process owns it and
 * serves the others. When the owner closes or dies the others go on with a new one; calls in flight then fail with
 * `RetriableError`, a commit with `UnknownOutcomeError`, open transactions with `AbortableError`, and group
 * memberships are lost and joined again.
 *
 * `FatalError`: `LOG_DIRECTORY_UNUSABLE` (not a directory, not writable), `LOG_DISK_FULL`, `LOG_DAMAGED`,
 * `LOG_FORMAT_UNSUPPORTED`, `LOG_PROTOCOL` (another version of millrace owns it), `LOG_OWNER_UNREACHABLE`.
 */
export async function openEmbeddedLog(options: OpenEmbeddedLogOptions): Promise<EmbeddedLog> {
  const { clock = systemClock, random = systemRandom, cleaning } = options
  const directory = await resolve(options.directory)
  let entry = shared.get(directory)
  if (entry === undefined) {
    const broker = new SharedBroker({
      directory,
      clock,
      random,
      ...(cleaning === undefined ? {} : { cleaning }),
    })
    entry = { broker, users: 0 }
    shared.set(directory, entry)
  }
  entry.users += 1
  try {
    await entry.broker.ready()
  } catch (error) {
    await leave(directory, entry)
    throw error
  }
  const onClose = (): Promise<void> => leave(directory, entry)
  return new EmbeddedLog({ connection: entry.broker.connection, clock, random, onClose })
}

async function leave(directory: string, entry: SharedInProcess): Promise<void> {
  entry.users -= 1
  if (entry.users > 0) return
  // Whoever opens it again meanwhile waits for the lock, as another process would.
  if (shared.get(directory) === entry) shared.delete(directory)
  await entry.broker.close()
}

/** One name for a directory, however it is written. Errors are left to the lock, which names them. */
async function resolve(directory: string): Promise<string> {
  try {
    await mkdir(directory, { recursive: true })
    return await realpath(directory)
  } catch {
    return path.resolve(directory)
  }
}
