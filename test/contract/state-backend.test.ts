import { mkdtempSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { LevelStateDirectory } from '../../src/state/level-directory.ts'
import { MemoryStateDirectory } from '../../src/state/memory-directory.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { describeStateBackendContract, type StateHarness } from './state-backend-contract.ts'

const root = temporaryFolder()
const newFolder = (): string => path.join(mkdtempSync(path.join(root.path, 'state-')), 'instance')

async function acquired(folder: string): Promise<LevelStateDirectory> {
  const directory = await LevelStateDirectory.acquire(folder)
  if (directory === undefined) throw new Error(`${folder} is held by somebody else`)
  return directory
}

function memoryHarness(): StateHarness {
  const directory = new MemoryStateDirectory()
  return {
    directory,
    restart() {
      directory.abandon()
      return Promise.resolve()
    },
    close: () => directory.close(),
  }
}

async function levelHarness(): Promise<StateHarness> {
  const folder = newFolder()
  let directory = await acquired(folder)
  return {
    get directory() {
      return directory
    },
    async restart() {
      await directory.close()
      directory = await acquired(folder)
    },
    close: () => directory.close(),
  }
}

describeStateBackendContract('memory', () => Promise.resolve(memoryHarness()))
describeStateBackendContract('LevelDB', levelHarness)

describe('a LevelDB directory', () => {
  it('is held by one owner at a time: a second one is refused until the first lets go', async () => {
    const folder = newFolder()
    const first = await acquired(folder)
    expect(await LevelStateDirectory.acquire(folder)).toBeUndefined()
    await first.close()
    const second = await LevelStateDirectory.acquire(folder)
    expect(second).toBeDefined()
    await second!.close()
  })

  it('is refused by another name for the same folder too', async () => {
    const folder = newFolder()
    const first = await acquired(folder)
    expect(await LevelStateDirectory.acquire(path.join(folder, '..', path.basename(folder)))).toBeUndefined()
    await first.close()
  })
})
