import { fork, type ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { acquireDirectoryLock, lockOwnerPid } from '../../src/directory-lock.ts'
import { compileSources, type CompiledSources } from '../support/compiled-sources.ts'
import type { LockOrder } from '../support/lock-child.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const LOCK_FILE = 'millrace.lock'
const root = temporaryFolder()
const newDirectory = (): string => mkdtempSync(path.join(root.path, 'lock-'))
const children: ChildProcess[] = []
let compiled: CompiledSources

beforeAll(() => {
  compiled = compileSources()
})
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})
afterAll(() => compiled.remove())

function newChild(): ChildProcess {
  const child = fork(compiled.fileOf('test/support/lock-child'))
  children.push(child)
  return child
}

function told(child: ChildProcess, order: LockOrder): Promise<boolean> {
  return new Promise((resolve) => {
    child.once('message', (held: boolean) => resolve(held))
    child.send(order)
  })
}

function killed(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once('exit', () => resolve())
    child.kill('SIGKILL')
  })
}

/** The lock file of this process, as it would be written now. */
async function ownLockFile(): Promise<{ pid: number; started: string }> {
  const directory = newDirectory()
  const lock = await acquireDirectoryLock(directory)
  const owner = JSON.parse(readFileSync(path.join(directory, LOCK_FILE), 'utf8')) as {
    pid: number
    started: string
  }
  await lock!.release()
  return owner
}

describe('acquireDirectoryLock, within a process', () => {
  it('gives a directory to one owner at a time, and makes it where it is missing', async () => {
    const directory = path.join(newDirectory(), 'deep', 'folder')
    const lock = await acquireDirectoryLock(directory)
    expect(lock!.directory).toBe(directory)
    expect(await acquireDirectoryLock(directory)).toBeUndefined()
    await lock!.release()
    const again = await acquireDirectoryLock(directory)
    expect(again).toBeDefined()
    await again!.release()
  })

  it('gives it to exactly one of many who ask at once', async () => {
    const directory = newDirectory()
    const locks = await Promise.all(Array.from({ length: 20 }, () => acquireDirectoryLock(directory)))
    const held = locks.filter((lock) => lock !== undefined)
    expect(held).toHaveLength(1)
    await held[0]!.release()
  })

  it('knows a directory by whatever name', async () => {
    const directory = newDirectory()
    const link = path.join(root.path, `link-to-${path.basename(directory)}`)
    symlinkSync(directory, link, 'junction')
    const lock = await acquireDirectoryLock(link)
    expect(lock!.directory).toBe(directory)
    expect(await acquireDirectoryLock(path.join(directory, '.', ''))).toBeUndefined()
    await lock!.release()
  })

  it('lets go once: a second release takes nothing from the next owner', async () => {
    const directory = newDirectory()
    const first = await acquireDirectoryLock(directory)
    await first!.release()
    const second = await acquireDirectoryLock(directory)
    await first!.release()
    expect(await acquireDirectoryLock(directory)).toBeUndefined()
    expect(existsSync(path.join(directory, LOCK_FILE))).toBe(true)
    await second!.release()
    expect(readdirSync(directory)).toEqual([])
  })

  it('lets errors of the system pass, and can be asked again afterwards', async () => {
    const file = root.write('file', '')
    await expect(acquireDirectoryLock(path.join(file, 'x'))).rejects.toThrow(
      expect.objectContaining({ code: 'ENOTDIR' }),
    )
    const blocked = newDirectory()
    symlinkSync(path.join(blocked, 'no', 'such', 'place'), path.join(blocked, LOCK_FILE))
    for (let attempt = 0; attempt < 2; attempt++) {
      const lock = await acquireDirectoryLock(blocked)
      await lock?.release()
    }
    expect(readdirSync(blocked)).toEqual([])
  })
})

describe('acquireDirectoryLock, over processes', () => {
  it('refuses what a running process holds, and names it', async () => {
    const directory = newDirectory()
    const child = newChild()
    expect(await told(child, { kind: 'acquire', directory })).toBe(true)
    expect(await acquireDirectoryLock(directory)).toBeUndefined()
    expect(await lockOwnerPid(directory)).toBe(child.pid)
    await told(child, { kind: 'release', directory })
    expect(await lockOwnerPid(directory)).toBeUndefined()
    const lock = await acquireDirectoryLock(directory)
    expect(await lockOwnerPid(directory)).toBe(process.pid)
    expect(await told(child, { kind: 'acquire', directory })).toBe(false)
    await lock!.release()
  })

  it('takes over what a killed process held', async () => {
    const directory = newDirectory()
    const child = newChild()
    await told(child, { kind: 'acquire', directory })
    await killed(child)
    expect(existsSync(path.join(directory, LOCK_FILE))).toBe(true)
    const lock = await acquireDirectoryLock(directory)
    expect(lock).toBeDefined()
    expect(await lockOwnerPid(directory)).toBe(process.pid)
    await lock!.release()
    expect(readdirSync(directory)).toEqual([])
  })

  it('takes over from a process whose number another process has now', async () => {
    const owner = await ownLockFile()
    const directory = newDirectory()
    const file = path.join(directory, LOCK_FILE)
    writeFileSync(file, JSON.stringify({ ...owner, started: `${owner.started}0` }))
    const lock = await acquireDirectoryLock(directory)
    expect(lock).toBeDefined()
    await lock!.release()
    writeFileSync(file, JSON.stringify(owner))
    expect(await acquireDirectoryLock(directory)).toBeUndefined()
  })

  it('believes a running process whose start is not known', async () => {
    const directory = newDirectory()
    const file = path.join(directory, LOCK_FILE)
    writeFileSync(file, JSON.stringify({ pid: process.pid, started: 'unknown' }))
    expect(await acquireDirectoryLock(directory)).toBeUndefined()
  })

  it.each(['', '{"pid":', 'null', '[]', '{"pid":"7","started":"1"}', '{"pid":7}'])(
    'takes over a lock file that names nobody: %j',
    async (content) => {
      const directory = newDirectory()
      writeFileSync(path.join(directory, LOCK_FILE), content)
      expect(await lockOwnerPid(directory)).toBeUndefined()
      const lock = await acquireDirectoryLock(directory)
      expect(lock).toBeDefined()
      await lock!.release()
    },
  )

  it.each([
    ['where nobody held it', undefined],
    ['where a dead process held it', JSON.stringify({ pid: 2 ** 22 - 1, started: '1' })],
  ])('gives a directory to exactly one of several processes that ask at once, %s', async (_where, left) => {
    const contenders = Array.from({ length: 4 }, () => newChild())
    const nowhere = newDirectory()
    // Every process is up before it counts.
    await Promise.all(contenders.map((child) => told(child, { kind: 'release', directory: nowhere })))
    for (let round = 0; round < 60; round++) {
      const directory = newDirectory()
      if (left !== undefined) writeFileSync(path.join(directory, LOCK_FILE), left)
      const held = await Promise.all(contenders.map((child) => told(child, { kind: 'acquire', directory })))
      expect(held.filter(Boolean), `round ${round}`).toHaveLength(1)
      await Promise.all(contenders.map((child) => told(child, { kind: 'release', directory })))
    }
  })
})
