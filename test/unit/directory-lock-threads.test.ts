import { mkdtempSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { Worker } from 'node:worker_threads'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { acquireDirectoryLock } from '../../src/directory-lock.ts'
import { compileSources, type CompiledSources } from '../support/compiled-sources.ts'
import type { LockOrder } from '../support/lock-child.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const THREADS = 4
const ROUNDS = 25
const root = temporaryFolder()
const threads: Worker[] = []
let compiled: CompiledSources

beforeAll(() => {
  compiled = compileSources()
  for (let thread = 0; thread < THREADS; thread++) {
    threads.push(new Worker(compiled.fileOf('test/support/lock-thread')))
  }
})
afterAll(async () => {
  await Promise.all(threads.map((thread) => thread.terminate()))
  compiled.remove()
})

function told(thread: Worker, order: LockOrder): Promise<boolean> {
  return new Promise((resolve) => {
    thread.once('message', (held: boolean) => resolve(held))
    thread.postMessage(order)
  })
}

describe('the threads of one process', () => {
  const directory = mkdtempSync(path.join(root.path, 'lock-'))

  it('take a lock one at a time, however many want it at once', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const held = await Promise.all(threads.map((thread) => told(thread, { kind: 'acquire', directory })))
      expect(held.filter(Boolean), `round ${round}`).toHaveLength(1)
      expect(await acquireDirectoryLock(directory)).toBeUndefined()
      await Promise.all(threads.map((thread) => told(thread, { kind: 'release', directory })))
    }
    expect(readdirSync(directory)).toEqual([])
  })

  it('are kept out by what the main thread holds, and let in when it lets go', async () => {
    const own = await acquireDirectoryLock(directory)
    expect(await told(threads[0]!, { kind: 'acquire', directory })).toBe(false)
    await own!.release()
    expect(await told(threads[0]!, { kind: 'acquire', directory })).toBe(true)
  })
})
