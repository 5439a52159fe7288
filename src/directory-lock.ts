/**
 * One owner per directory, over processes and within one.
 *
 * LevelDB has a lock of its own, which is not enough: after a second, refused open of the same database inside one
 * process, that process's file lock is gone and another process can open the live database (POSIX locks end when any
 * descriptor of the file is closed). So nobody gets as far as opening LevelDB without this lock: a registry within the
 * process, and a lock file that names the owner. A lock file whose owner no longer runs is taken over; process start
 * times tell a reused process id from the owner.
 *
 * Each thread has a registry of its own; between threads it is the lock file that counts, whose owner, the process, is
 * running. What a thread leaves locked when it dies stays locked until the process ends.
 */
import { createHash } from 'node:crypto'
import { link, lstat, mkdir, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { threadId } from 'node:worker_threads'

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
/** Each attempt fails only where another process has just succeeded. */
const ATTEMPTS = 10
const heldInThisThread = new Set<string>()

/**
 * Takes the lock of `directory`, which is made where it is missing. `undefined` while somebody else holds it.
 * System errors (`EACCES`, `ENOTDIR`, `ENOSPC`, …) pass through.
 */
export async function acquireDirectoryLock(directory: string): Promise<DirectoryLock | undefined> {
  await mkdir(directory, { recursive: true })
  const real = await realpath(directory)
  if (heldInThisThread.has(real)) return undefined
  heldInThisThread.add(real)
  try {
    if (await writeLockFile(path.join(real, LOCK_FILE))) return lockOn(real)
  } catch (error) {
    heldInThisThread.delete(real)
    throw error
  }
  heldInThisThread.delete(real)
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
      heldInThisThread.delete(real)
    },
  }
}

/**
 * Puts a lock file of this process into place, where there is none or where its owner is dead.
 *
 * Several processes may find the same dead owner at once. Only one of them may replace its file: the one that links
 * the **guard**, a second lock file whose name says which content of the lock file it is for. Whoever has linked a
 * guard looks again: where the lock file is another by now, somebody else was faster. A guard whose owner died in
 * between stands for the lock file, and is replaced in the same way.
 */
async function writeLockFile(file: string): Promise<boolean> {
  const self: Owner = { pid: process.pid, started: await startTimeOf(process.pid) }
  // Written aside and then linked, so that nobody ever reads a lock file without an owner. Threads of one process must
  // not share the name: one would write into what the other has just linked.
  const aside = `${file}.${process.pid}-${threadId}.new`
  await writeFile(aside, JSON.stringify(self))
  try {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const chain = await readChain(file)
      const last = chain.at(-1)
      if (last === undefined) {
        if (await linked(aside, file)) return true
        continue
      }
      const owner = ownerIn(last.content)
      if (owner !== undefined && (await isRunning(owner))) return false
      if (await replaceLockFile(file, aside, chain)) return true
    }
    return false
  } finally {
    await rm(aside, { force: true })
  }
}

interface LockFile {
  readonly name: string
  readonly content: string
}

/** The lock file, the guard for its content, the guard for that guard's content, and so on: the last one counts. */
async function readChain(file: string): Promise<readonly LockFile[]> {
  const chain: LockFile[] = []
  for (let name = file; ;) {
    const content = await readText(name)
    if (content === undefined) return chain
    chain.push({ name, content })
    name = guardFor(file, content)
    // A guard of its own would be the guard for a process that guards what it holds itself.
    if (chain.some((known) => known.name === name)) return chain
  }
}

async function replaceLockFile(file: string, aside: string, chain: readonly LockFile[]): Promise<boolean> {
  const guard = guardFor(file, chain.at(-1)!.content)
  if (!(await linked(aside, guard))) return false
  const now = await readChain(file)
  const unchanged = chain.every(
    ({ name, content }, index) => now[index]?.name === name && now[index].content === content,
  )
  if (unchanged) {
    const own = `${aside}.lock`
    await link(aside, own)
    await rename(own, file)
    for (const { name } of chain.slice(1)) await rm(name, { force: true })
  }
  await rm(guard, { force: true })
  return unchanged
}

function guardFor(file: string, content: string): string {
  return `${file}.after-${createHash('sha256').update(content).digest('hex').slice(0, 16)}`
}

/** Gives a file another name, unless something has that name. */
async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** `undefined` where there is no such name; a link that leads nowhere has no content. */
async function readText(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return lstat(file).then(
      () => '',
      () => undefined,
    )
  }
}

async function readOwner(file: string): Promise<Owner | undefined> {
  return ownerIn((await readText(file)) ?? '')
}

/** Nobody can be named by what is no lock file, or half of one. */
function ownerIn(content: string): Owner | undefined {
  try {
    const owner: unknown = JSON.parse(content)
    if (typeof owner !== 'object' || owner === null) return undefined
    const { pid, started } = owner as Partial<Owner>
    return typeof pid === 'number' && typeof started === 'string' ? { pid, started } : undefined
  } catch {
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
