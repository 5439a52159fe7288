import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isBadLine } from '../../../src/sensors/line-reader.ts'
import type { FileEntry } from '../../../src/sensors/reading-files.ts'
import { sortByEventTime } from '../../../src/sensors/sort-readings.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const folder = temporaryFolder()
const parts = join(folder.path, 'parts')
mkdirSync(parts)

const entry = (line: number, timestamp: number): FileEntry => ({
  file: 'é.csv',
  line,
  reading: { eventId: `e${line}`, sensorId: '__proto__', timestamp, temperature: line / 10, status: 'a\nb' },
})

async function* inBatches(entries: readonly FileEntry[]): AsyncGenerator<readonly FileEntry[]> {
  for (let at = 0; at < entries.length; at += 3) yield entries.slice(at, at + 3)
}

async function sorted(entries: readonly FileEntry[], inMemory: number): Promise<FileEntry[]> {
  const result: FileEntry[] = []
  for await (const batch of sortByEventTime(inBatches(entries), { inMemory, temporaryFolder: parts })) {
    result.push(...batch)
  }
  return result
}

describe('sortByEventTime', () => {
  it('gives the same stable order in memory and through files', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(10), { maxLength: 40 }),
        fc.integer({ min: 1, max: 50 }),
        async (times, inMemory) => {
          const entries = times.map((time, line) => entry(line, time))
          const expected = entries
            .map((item, i) => ({ item, order: (times[i] ?? 0) * 1000 + i }))
            .sort((a, b) => a.order - b.order)
            .map(({ item }) => item)
          expect(await sorted(entries, inMemory)).toEqual(expected)
          expect(readdirSync(parts)).toEqual([])
        },
      ),
      { seed: 1, numRuns: 100 },
    )
  })

  it('hands out bad lines first', async () => {
    const bad: FileEntry = { file: 'f', line: 2, raw: Buffer.of(0xff), code: 'X', message: 'x' }
    const result = await sorted([entry(1, 9), bad, entry(3, 1), entry(4, 5)], 2)
    expect(result.map(({ line }) => line)).toEqual([2, 3, 4, 1])
    expect(result.filter(isBadLine)).toEqual([bad])
  })

  it('writes files only when it must, and removes them when it is stopped', async () => {
    const many = Array.from({ length: 5000 }, (_, i) => entry(i, 5000 - i))
    let seen = 0
    for await (const batch of sortByEventTime(inBatches(many), { inMemory: 1000, temporaryFolder: parts })) {
      expect(readdirSync(parts).length).toBe(1)
      seen += batch.length
      break
    }
    expect(seen).toBeGreaterThan(0)
    expect(readdirSync(parts)).toEqual([])
    const nowhere = join(folder.path, 'nowhere')
    const inMemory = sortByEventTime(inBatches(many.slice(0, 10)), { temporaryFolder: nowhere })
    expect((await inMemory.next()).value).toHaveLength(10)
    expect(existsSync(nowhere)).toBe(false)
  })

  it('removes its files when its source fails', async () => {
    async function* failing(): AsyncGenerator<readonly FileEntry[]> {
      yield [entry(1, 1), entry(2, 2)]
      throw new Error('unreadable')
    }
    const sorting = sortByEventTime(failing(), { inMemory: 1, temporaryFolder: parts })
    await expect(sorting.next()).rejects.toThrow('unreadable')
    expect(readdirSync(parts)).toEqual([])
  })
})
