import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { ReadingGenerator } from '../../../src/sensors/generator.ts'
import { isBadLine } from '../../../src/sensors/line-reader.ts'
import { ReadingFile, type FileEntry } from '../../../src/sensors/reading-files.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const folder = temporaryFolder()
const real = (name: string): string => new URL(`../../../data/${name}.csv`, import.meta.url).pathname

async function entriesOf(file: ReadingFile): Promise<FileEntry[]> {
  const entries: FileEntry[] = []
  for await (const batch of file) entries.push(...batch)
  return entries
}

describe('ReadingFile', () => {
  it.each([
    ['machine_temperature_system_failure', 22_695, 11],
    ['ambient_temperature_system_failure', 7_267, 0],
  ])('reads the real readings of %s', async (name, rows, behind) => {
    const file = new ReadingFile(real(name))
    const entries = await entriesOf(file)
    const lines = readFileSync(real(name), 'utf8').trimEnd().split(/\r?\n/).slice(1)
    let newest = 0
    let steppedBack = 0
    for (const [i, line] of lines.entries()) {
      const entry = entries[i] as FileEntry
      if (isBadLine(entry)) throw new Error(entry.message)
      const [time, value] = line.split(',') as [string, string]
      const { timestamp, temperature, sensorId } = entry.reading
      expect([entry.line, timestamp, temperature, sensorId]).toEqual([
        i + 2,
        Date.parse(`${time}Z`),
        Number(value),
        name,
      ])
      if (timestamp < newest) steppedBack++
      newest = Math.max(newest, timestamp)
    }
    expect([entries.length, steppedBack]).toEqual([rows, behind])
    expect(file.counts).toEqual({ readings: rows, badLines: 0, bytes: readFileSync(real(name)).length })
    expect(new Set(entries.map((entry) => (isBadLine(entry) ? '' : entry.reading.eventId))).size).toBe(rows)
  })

  it('tells which file an entry is from, and counts', async () => {
    const path = folder.write('mixed.csv', '\ufefftimestamp,value\r\n1,2\r\nbroken\r\n"3","4"\r\n')
    const file = new ReadingFile(path, { sensor: 's' })
    expect(await entriesOf(file)).toMatchObject([
      { file: path, line: 2, reading: { timestamp: 1, temperature: 2 } },
      { file: path, line: 3, code: 'CSV_COLUMN_COUNT', raw: Buffer.from('broken') },
      { file: path, line: 4, reading: { timestamp: 3, temperature: 4 } },
    ])
    expect(file.counts).toMatchObject({ readings: 2, badLines: 1 })
  })

  it.each([
    ['x.csv', ''],
    ['x.jsonl', ''],
    ['x.csv', 'timestamp,value\n'],
  ])('has no entries for an empty %s', async (name, content) => {
    const file = new ReadingFile(folder.write(name, content))
    expect(await entriesOf(file)).toEqual([])
    expect(file.counts).toMatchObject({ readings: 0, badLines: 0 })
  })

  it('goes by the name whether a file is CSV or JSONL, unless told', async () => {
    const json = '{"timestamp":1,"temperature":2}\n'
    for (const name of ['a.jsonl', 'a.NDJSON', 'a.json']) {
      expect(await entriesOf(new ReadingFile(folder.write(name, json)))).toMatchObject([
        { reading: { sensorId: 'a' } },
      ])
    }
    expect(await entriesOf(new ReadingFile(folder.write('a.txt', json), { format: 'jsonl' }))).toHaveLength(1)
    await expect(entriesOf(new ReadingFile(folder.write('b.txt', json)))).rejects.toThrow(
      'line 1 is no CSV header: "{',
    )
  })

  it('reads what the generator wrote: all readings, and each corrupt record as a bad line', async () => {
    const rates = { corrupt: 0.05 }
    const generator = new ReadingGenerator({
      sensors: 20,
      periodMs: 1000,
      startMs: 0,
      seed: 3,
      slots: 500,
      rates,
    })
    const records = [...generator]
    const path = folder.write('generated.jsonl', records.map(({ value }) => `${value}\n`).join(''))
    const entries = await entriesOf(new ReadingFile(path))
    expect(entries.length).toBe(records.length)
    for (const [i, entry] of entries.entries()) {
      const record = records[i]
      // A record without an event id is a reading all the same: the importer derives one.
      if (isBadLine(entry)) expect([record?.kind, entry.raw.toString()]).toEqual(['corrupt', record?.value])
      else if (record?.kind === 'corrupt') expect(entry.reading.eventId).toMatch(/^auto-/)
      else expect(JSON.stringify(entry.reading)).toBe(record?.value)
    }
    expect(generator.summary.corrupt).toBeGreaterThan(300)
  })

  it('refuses a missing file when it is read', async () => {
    await expect(entriesOf(new ReadingFile(`${folder.path}/none.csv`))).rejects.toThrow(
      'none.csv: no such file',
    )
  })
})
