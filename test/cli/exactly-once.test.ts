/** Kills and repeats: every line, reading and result takes effect once. */
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import {
  exported,
  millrace,
  startMillrace,
  type ExportedRecord,
  type RunOptions,
} from '../support/millrace.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const RECORDS = 25_000

/** What matters of a topic's records: everything but when they came. */
async function contentOf(topic: string, here: RunOptions): Promise<readonly unknown[]> {
  return (await exported(topic, here)).map(({ partition, timestamp, key, value }) => [
    partition,
    timestamp,
    key,
    value,
  ])
}

/** Bytes in the log's directory now. */
function logBytes(cwd: string): number {
  const folder = path.join(cwd, '.millrace/log/data')
  try {
    return readdirSync(folder).reduce((sum, name) => sum + statSync(path.join(folder, name)).size, 0)
  } catch {
    // A file that LevelDB has just removed, or nothing yet: looked at again.
    return 0
  }
}

/** Starts the program and kills it once the log holds so many bytes; false when it ended before. */
async function killAt(bytes: number, args: readonly string[], here: RunOptions): Promise<boolean> {
  const started = startMillrace(args, here)
  let over = false
  void started.ended.then(() => (over = true))
  while (!over && logBytes(here.cwd) < bytes) await setTimeout(2)
  return (await started.stop('SIGKILL')).code === null
}

describe('an import that is killed again and again', () => {
  const folder = temporaryFolder()

  it.each([['in the order of the file'], ['with --sort', '--sort']])(
    'leaves the same topics as one that is not: %s',
    async (_what, ...more) => {
      const file = path.join(folder.path, `readings${more.length}.jsonl`)
      const here = { cwd: path.join(folder.path) }
      await millrace(
        ['generate', '--to', file, '--count', String(RECORDS), '--late', '0.05', '--corrupt', '0.01'],
        here,
      )
      const [killed, whole] = [temporaryFolderIn(folder.path), temporaryFolderIn(folder.path)]
      const command = ['import', file, '--json', ...more]
      let kills = 0
      for (const bytes of [100_000, 1_200_000, 2_600_000]) {
        if (await killAt(bytes, command, killed)) kills++
      }
      expect(kills).toBeGreaterThanOrEqual(2)
      const last = await millrace(command, killed)
      expect([last.code, last.stderr.includes('error')]).toEqual([0, false])
      expect((JSON.parse(last.stdout) as { files: object[] }).files).toMatchObject([{ state: 'continued' }])
      await millrace(command, whole)
      for (const topic of ['readings', 'readings.dlq']) {
        const expected = await contentOf(topic, whole)
        expect(expected.length).toBeGreaterThan(100)
        const times = topic === 'readings'
        // Dead letters carry the time at which they were found.
        const of = (content: readonly unknown[]): unknown[] =>
          content.map((record) => (times ? record : (record as unknown[]).toSpliced(1, 1)))
        expect(of(await contentOf(topic, killed))).toEqual(of(expected))
      }
      const again = await millrace(command, killed)
      expect(JSON.parse(again.stdout)).toMatchObject({ readings: 0, files: [{ state: 'already-imported' }] })
    },
    60_000,
  )

  it('is known by its content, whatever the file is called, and done once more with --again', async () => {
    const here = temporaryFolderIn(folder.path)
    const lines = 'timestamp,value,sensorId\n2024-01-01T00:00:00Z,51,s1\n2024-01-01T00:00:01Z,52,s2\n'
    writeFileSync(path.join(here.cwd, 'a.csv'), lines)
    writeFileSync(path.join(here.cwd, 'b.csv'), lines)
    await millrace(['import', 'a.csv'], here)
    expect((await millrace(['import', 'b.csv'], here)).stdout).toBe('b.csv: already imported, nothing new\n')
    expect((await millrace(['import', 'b.csv', 'a.csv', '--again'], here)).stdout).toContain(
      'Imported 2 readings',
    )
    expect(await exported('readings', here)).toHaveLength(4)
    // The file's name stands for the sensor where the file names none: then it is another file.
    writeFileSync(path.join(here.cwd, 'c.csv'), 'timestamp,value\n2024-01-01T00:00:00Z,51\n')
    writeFileSync(path.join(here.cwd, 'd.csv'), 'timestamp,value\n2024-01-01T00:00:00Z,51\n')
    const both = await millrace(['import', 'c.csv', 'd.csv', '--json'], here)
    expect(JSON.parse(both.stdout)).toMatchObject({ readings: 2 })
  })
})

describe('a generator that is killed again and again', () => {
  const folder = temporaryFolder()

  it('leaves the same readings as one that is not', async () => {
    const [killed, whole] = [temporaryFolderIn(folder.path), temporaryFolderIn(folder.path)]
    const settings = ['--sensors', '7', '--seed', '5']
    let kills = 0
    for (const bytes of [100_000, 2_000_000]) {
      if (await killAt(bytes, ['generate', '--count', '200000', ...settings], killed)) kills++
    }
    expect(kills).toBe(2)
    const before = await exported('readings', killed)
    const rest = await millrace(['generate', '--count', '1000', ...settings, '--json'], killed)
    expect(JSON.parse(rest.stdout)).toMatchObject({ records: 1_000 })
    await millrace(['generate', '--count', String(before.length + 1_000), ...settings], whole)
    expect(await contentOf('readings', killed)).toEqual(await contentOf('readings', whole))
  }, 60_000)
})

describe('two imports with a flushed run behind each', () => {
  const folder = temporaryFolder()
  const RUN = ['run', '--until-end', '--flush', '--grace', '0s', '--json']

  it('give no result twice; readings of windows that were flushed are late; all else is as in one run', async () => {
    const [parted, whole] = [temporaryFolderIn(folder.path), temporaryFolderIn(folder.path)]
    const source = path.resolve(import.meta.dirname, '../../data/ambient_temperature_system_failure.csv')
    const [header = '', ...lines] = readFileSync(source, 'utf8').trim().split('\n')
    // Windows of three hours over hourly readings: the cut lies within a window.
    const cut = 3_001
    const write = (here: RunOptions, name: string, part: readonly string[]): void => {
      writeFileSync(path.join(here.cwd, name), [header, ...part, ''].join('\n'))
    }
    const args = ['--sensor', 'office', '--json']
    write(parted, 'a.csv', lines.slice(0, cut))
    write(parted, 'b.csv', lines.slice(cut))
    write(whole, 'all.csv', lines)
    const window = ['--window', '3h']
    await millrace(['import', 'a.csv', ...args], parted)
    const first = await millrace([...RUN, ...window], parted)
    await millrace(['import', 'b.csv', ...args], parted)
    const second = await millrace([...RUN, ...window], parted)
    await millrace(['import', 'all.csv', ...args], whole)
    const once = await millrace([...RUN, ...window], whole)
    const total = (name: string): number =>
      [first, second].reduce(
        (sum, { stdout }) => sum + (JSON.parse(stdout) as Record<string, number>)[name]!,
        0,
      )
    const results = await exported('aggregates', parted)
    const expected = await exported('aggregates', whole)
    const late = await exported('readings.late', parted)
    expect(new Set(results.map(({ key }) => key)).size).toBe(results.length)
    expect(late.length).toBeGreaterThan(0)
    expect(late.every(({ headers }) => headers['__millrace.late.reason'] === 'flushed')).toBe(true)
    expect(total('readings')).toBe(lines.length)
    expect(total('counted') + total('late')).toBe(lines.length)
    expect(total('late')).toBe(late.length)
    expect(JSON.parse(once.stdout)).toMatchObject({ readings: lines.length, late: 0 })
    const cutWindows = new Set(late.map(({ headers }) => `office@${headers['__millrace.late.windows']}`))
    const others = (of: readonly ExportedRecord[]): unknown[] =>
      of.filter(({ key }) => !cutWindows.has(key ?? '')).map(({ key, value }) => [key, value])
    expect(cutWindows.size).toBe(1)
    expect(others(results)).toEqual(others(expected))
  })
})

let count = 0

/** A new folder below another one. */
function temporaryFolderIn(folder: string): RunOptions {
  const cwd = path.join(folder, `own-${count++}`)
  mkdirSync(cwd)
  return { cwd }
}
