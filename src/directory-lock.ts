/**
 * One owner per directory, over processes and within one.
 *
 * LevelDB has a lock of its own, which is not enough: after a second, refused open of the same database inside one
 * process, that process's file lock is gone and another process can open the live database (POSIX locks end when any
 * descriptor of the file is closed). So nobody gets as far as opening LevelDB without this lock: a registry within the
 * process, and a lock file that names the owner. A lock file whose owner no longer runs is taken over; process start
 * times tell a reused process id from the owner.
 */
import { link, mkdir, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'

/** A directory that is held. */
export interface DirectoryLock {
  readonly directory: string
  /** Lets go. Idempotent. */
  release(): Promise<void>
}

interface Owner {
  readonly pid: number
  /** Start time of the process in the kernel's ticks; `unknown` where the system does not tell. */
  readonly started: string
}

const LOCK_FILE = 'millrace.lock'
const heldInThisProcess = new Set<string>()

/**
 * Takes the lock of `directory`, which is made where it is missing. `undefined` while somebody else holds it.
 * System errors (`EACCES`, `ENOTDIR`, `ENOSPC`, …) pass through.
 */
export async function acquireDirectoryLock(directory: string): Promise<DirectoryLock | undefined> {
  await mkdir(directory, { recursive: true })
  const real = await realpath(directory)
  if (heldInThisProcess.has(real)) return undefined
  heldInThisProcess.add(real)
  try {
    if (await writeLockFile(path.join(real, LOCK_FILE))) return lockOn(real)
  } catch (error) {
    heldInThisProcess.delete(real)
    throw error
  }
  heldInThisProcess.delete(real)
  return undefined
}

/** The process that holds a directory, if it still runs; `undefined` when nobody does. Takes and makes nothing. */
export async function runningLockOwner(directory: string): Promise<number | undefined> {
  const owner = await readOwner(path.join(directory, LOCK_FILE))
  return owner !== undefined && (await isRunning(owner)) ? owner.pid : undefined
}

/** The process id in a directory's lock file, for messages; `undefined` where there is none. */
export async function lockOwnerPid(directory: string): Promise<number | undefined> {
  return (await readOwner(path.join(directory, LOCK_FILE)))?.pid
}

function lockOn(real: string): DirectoryLock {
  let released = false
  return {
    directory: real,
    async release() {
      if (released) return
      released = true
      await rm(path.join(real, LOCK_FILE), { force: true })
      heldInThisProcess.delete(real)
    },
  }
}

async function writeLockFile(file: string): Promise<boolean> {
  const self: Owner = { pid: process.pid, started: await startTimeOf(process.pid) }
  // Written aside and then linked, so that nobody ever reads a lock file without an owner.
  const aside = `${file}.${process.pid}.new`
  await writeFile(aside, JSON.stringify(self))
  try {
    for (let attempt = 0; attempt < 3; attempt++) {
      try {
        await link(aside, file)
        return true
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      }
      const owner = await readOwner(file)
      if (owner !== undefined && (await isRunning(owner))) return false
      await removeStale(file, owner)
    }
    return false
  } finally {
    await rm(aside, { force: true })
  }
}

/** Removes the lock file of a dead owner, unless another process has just put its own there. */
async function removeStale(file: string, stale: Owner | undefined): Promise<void> {
  const aside = `${file}.${process.pid}`
  try {
    await rename(file, aside)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  const moved = await readOwner(aside)
  const isStale = moved === undefined || (moved.pid === stale?.pid && moved.started === stale.started)
  if (!isStale) await writeFile(file, JSON.stringify(moved), { flag: 'wx' }).catch(() => undefined)
  await rm(aside, { force: true })
}

async function readOwner(file: string): Promise<Owner | undefined> {
  try {
    const owner: unknown = JSON.parse(await readFile(file, 'utf8'))
    if (typeof owner !== 'object' || owner === null) return undefined
    const { pid, started } = owner as Partial<Owner>
    return typeof pid === 'number' && typeof started === 'string' ? { pid, started } : undefined
  } catch {
    // Missing, or half-written by a process that died: nobody can be named.
    return undefined
  }
}

async function isRunning(owner: Owner): Promise<boolean> {
  try {
    process.kill(owner.pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
  }
  const started = await startTimeOf(owner.pid)
  return started === 'unknown' || owner.started === 'unknown' || started === owner.started
}

/** Field 22 of /proc/<pid>/stat, counted behind the command in parentheses, which may contain spaces. */
async function startTimeOf(pid: number): Promise<string> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'latin1')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? 'unknown'
  } catch {
    return 'unknown'
  }
}
