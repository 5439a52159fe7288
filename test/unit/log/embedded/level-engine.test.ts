import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { FatalError } from '../../../../src/errors.ts'
import { levelError, openLevelEngine } from '../../../../src/log/embedded/level-engine.ts'
import { expectEngine } from '../../../support/engine-model.ts'
import { temporaryFolder } from '../../../support/temporary-folder.ts'

const folder = temporaryFolder()
let count = 0
const newDirectory = (): string => path.join(folder.path, `engine-${(count += 1)}`)
const keyOf = (number: number): Buffer => Buffer.from(String(number).padStart(6, '0'))
const everything = { from: Buffer.from([0]), to: Buffer.from([255]), limit: Number.MAX_SAFE_INTEGER }

describe('the LevelDB engine', () => {
  it('does what a sorted list does', () => expectEngine(() => openLevelEngine(newDirectory()), 40))

  it('scans more than one step brings, small and large values', async () => {
    const engine = await openLevelEngine(newDirectory())
    const ops = Array.from({ length: 3500 }, (_, i) => ({ key: keyOf(i), value: Buffer.alloc(i % 700, i) }))
    await engine.write(ops, { sync: false })
    const found = await engine.scan(everything)
    expect(found.map(({ key }) => key.toString())).toEqual(ops.map(({ key }) => key.toString()))
    expect(found.every(({ value }, i) => value.equals(ops[i]!.value))).toBe(true)
    expect(await engine.scan({ ...everything, limit: 2 })).toHaveLength(2)
    await engine.close()
  })

  it('keeps what was written over close and open', async () => {
    const directory = newDirectory()
    const first = await openLevelEngine(directory)
    await first.write([{ key: keyOf(1), value: Buffer.from('one') }], { sync: true })
    await first.close()
    const second = await openLevelEngine(directory)
    expect(await second.get(keyOf(1))).toEqual(Buffer.from('one'))
    await second.reclaim(everything.from, everything.to)
    expect(await second.get(keyOf(1))).toEqual(Buffer.from('one'))
    await second.close()
  })

  it('does not begin an empty database among the files of an old one', async () => {
    const directory = newDirectory()
    const engine = await openLevelEngine(directory)
    await engine.close()
    await rm(path.join(directory, 'CURRENT'))
    await expect(openLevelEngine(directory)).rejects.toMatchObject({
      name: 'FatalError',
      code: 'LOG_DAMAGED',
    })
  })

  it('tells a table that is missing or cut off', async () => {
    const directory = newDirectory()
    const engine = await openLevelEngine(directory)
    for (let i = 0; i < 30; i += 1) {
      await engine.write([{ key: keyOf(i), value: Buffer.alloc(1_000_000, i) }], { sync: false })
    }
    await engine.close()
    const table = (await readdir(directory)).find((name) => name.endsWith('.ldb'))!
    const file = path.join(directory, table)
    const content = await readFile(file)
    await writeFile(file, content.subarray(0, content.length - 100))
    const cut = await openLevelEngine(directory)
    const reads = Array.from({ length: 30 }, (_, i) => cut.get(keyOf(i)))
    await expect(Promise.all(reads)).rejects.toMatchObject({ name: 'FatalError', code: 'LOG_DAMAGED' })
    await Promise.allSettled(reads)
    await cut.close()
    await rm(file)
    await expect(openLevelEngine(directory)).rejects.toMatchObject({ code: 'LOG_DAMAGED' })
  })

  it('names what went wrong by what can be done about it', () => {
    const code = (thrown: object): string => {
      const error = levelError(Object.assign(new Error('io'), thrown), 'dir')
      expect(error).toBeInstanceOf(FatalError)
      expect(error.message).toContain('dir')
      return error.code
    }
    expect(code({ code: 'LEVEL_CORRUPTION' })).toBe('LOG_DAMAGED')
    expect(code({ code: 'LEVEL_LOCKED' })).toBe('LOG_LOCKED')
    expect(code({ code: 'ENOSPC' })).toBe('LOG_DISK_FULL')
    expect(code({ code: 'LEVEL_IO_ERROR', message: 'IO error: x.log: No space left on device' })).toBe(
      'LOG_DISK_FULL',
    )
    expect(code({ code: 'LEVEL_IO_ERROR' })).toBe('LOG_DIRECTORY_UNUSABLE')
    expect(code({})).toBe('LOG_DIRECTORY_UNUSABLE')
  })
})
