import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { LevelStateDirectory } from '../../../src/state/level-directory.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

// What it has in common with the directory in memory is checked by test/contract/state-backend.test.ts.
const root = temporaryFolder()
const folderOf = (name: string): string => path.join(root.path, name)

describe('LevelStateDirectory', () => {
  it('makes its folder where it is missing, and keeps a folder per task in it', async () => {
    const folder = folderOf('a/deep/one')
    const directory = (await LevelStateDirectory.acquire(folder))!
    await directory.open('0_3')
    expect(existsSync(path.join(folder, '0_3', 'CURRENT'))).toBe(true)
    await directory.close()
  })

  it('takes folders for tasks, and files for none', async () => {
    const folder = folderOf('files')
    const directory = (await LevelStateDirectory.acquire(folder))!
    writeFileSync(path.join(folder, 'notes.txt'), 'hello')
    mkdirSync(path.join(folder, '0_1'))
    expect(await directory.tasks()).toEqual(['0_1'])
    await directory.close()
  })

  it('closes what is open when it is closed, and lets go of the folder only then', async () => {
    const folder = folderOf('closing')
    const directory = (await LevelStateDirectory.acquire(folder))!
    const backend = await directory.open('0_0')
    await backend.write([{ key: Buffer.from('a'), value: Buffer.from('1') }], Buffer.from('c'))
    await directory.close()
    expect(() => backend.getSync(Buffer.from('a'))).toThrow()
    const next = (await LevelStateDirectory.acquire(folder))!
    expect(String((await next.open('0_0')).getSync(Buffer.from('a')))).toBe('1')
    await next.close()
    expect(readdirSync(folder)).toEqual(['0_0'])
  })

  it('lets errors of the system pass: a file where the folder should be', async () => {
    const file = root.write('file', '')
    await expect(LevelStateDirectory.acquire(path.join(file, 'instance'))).rejects.toThrow(
      expect.objectContaining({ code: 'ENOTDIR' }),
    )
  })
})
