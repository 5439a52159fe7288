/**
 * The reason for replays: a decoder that cannot read a quarter of the readings, then one that can. The dry run names
 * the windows, the replay is killed again and again, and in the end the results are those of readings that were never
 * dead letters.
 */
import { createHash } from 'node:crypto'
import { cpSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { LevelStateDirectory, openEmbeddedLog, RecordError, REPLAY, StreamsApp } from '../../src/index.ts'
import { readingSerde, type Reading } from '../../src/sensors/reading.ts'
import { JSON_SENSOR_SERDES } from '../../src/sensors/sensor-serdes.ts'
import { SENSOR_DEFAULTS, sensorTopology } from '../../src/sensors/sensor-topology.ts'
import { SeededRandom } from '../../src/testing/seeded-random.ts'
import {
  exported,
  linesOf,
  millrace,
  startMillrace,
  type ExportedRecord,
  type RunOptions,
} from '../support/millrace.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

const READINGS = 40_000
const LETTERS_LEAST = 9_000
const WINDOW_MS = 60_000
const SETTINGS = ['--window', '1m', '--grace', '12h']
const END = ['run', '--until-end', '--flush', ...SETTINGS, '--json']

interface Window {
  readonly sensor: string
  readonly start: string
  readonly end: string
  readonly readings: number
  readonly late: number
}
interface DryRun {
  readonly replayed: number
  readonly failsAgain: object
  readonly windows: readonly Window[]
}

/** Whether the old decoder cannot read it: about one in four. */
function isUnreadable({ eventId }: Reading): boolean {
  return createHash('sha256').update(eventId).digest()[0]! < 64
}

const folder = temporaryFolder()
const file = path.join(folder.path, 'readings.jsonl')
const broken = here('broken')
const clean = here('clean')
const paced = { cwd: path.join(folder.path, 'paced') }

function here(name: string): RunOptions {
  const cwd = path.join(folder.path, name)
  mkdirSync(cwd)
  return { cwd }
}

const readings = (): Reading[] =>
  readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Reading)

/** What a topic tells, whatever the order and the time. */
const contentOf = (records: readonly ExportedRecord[]): string[] =>
  records.map(({ key, value }) => JSON.stringify([key, value])).sort()

/** The application as it was: with the decoder that cannot read everything. */
async function runOldVersion({ cwd }: RunOptions, flush = false): Promise<void> {
  const log = await openEmbeddedLog({ directory: path.join(cwd, '.millrace/log') })
  const directory = await LevelStateDirectory.acquire(path.join(cwd, '.millrace/state/sensors'))
  const reading = {
    ...readingSerde,
    deserialize(buffer: Buffer, start: number, end: number): Reading {
      const read = readingSerde.deserialize(buffer, start, end)
      if (isUnreadable(read)) throw new RecordError('DECODER_TOO_OLD', 'this is of a later version')
      return read
    },
  }
  const options = { ...SENSOR_DEFAULTS, windowMs: WINDOW_MS, advanceMs: WINDOW_MS, graceMs: 12 * 3_600_000 }
  const app = new StreamsApp({
    topology: sensorTopology(options, { ...JSON_SENSOR_SERDES, reading }),
    config: { applicationId: 'sensors', deadLetterTopic: 'readings.dlq', lateTopic: 'readings.late' },
    log,
    directory: directory!,
    bounded: { flush },
  })
  await app.run()
  await log.close()
}

beforeAll(async () => {
  const rates = ['--late', '0.02', '--duplicate', '0.02', '--corrupt', '0']
  await millrace(['generate', '--to', file, '--count', String(READINGS), '--sensors', '40', ...rates], {
    cwd: folder.path,
  })
  for (const place of [broken, clean]) await millrace(['import', file], place)
  await runOldVersion(broken)
  cpSync(broken.cwd, paced.cwd, { recursive: true })
})

describe('readings that a new decoder can read', () => {
  it('are named by the dry run with their windows, none of which is closed yet', async () => {
    const expected = new Map<string, number>()
    for (const reading of readings().filter(isUnreadable)) {
      const startMs = Math.floor(reading.timestamp / WINDOW_MS) * WINDOW_MS
      const window = `${new Date(startMs).toISOString().replace('.000', '')} ${reading.sensorId}`
      expected.set(window, (expected.get(window) ?? 0) + 1)
    }
    const { stdout } = await millrace(['dlq', 'replay', '--dry-run', '--json', ...SETTINGS], broken)
    const dry = JSON.parse(stdout) as DryRun
    expect(dry.replayed).toBe(readings().filter(isUnreadable).length)
    expect(dry.replayed).toBeGreaterThan(LETTERS_LEAST)
    expect(dry.failsAgain).toEqual({})
    const told = dry.windows.map(
      ({ sensor, start, readings: count }) => [`${start} ${sensor}`, count] as const,
    )
    expect(new Map(told)).toEqual(expected)
    expect(dry.windows.every(({ late }) => late === 0)).toBe(true)
    const words = await millrace(['dlq', 'replay', '--dry-run', ...SETTINGS], broken)
    expect(words.stdout).toMatch(/Windows they belong to: [\d,]+, of which 0 are closed/)
    expect(words.stdout).toContain('(--json shows all)')
  })

  it('are named as late where their windows are closed already', async () => {
    const flushed = { cwd: path.join(folder.path, 'flushed') }
    cpSync(broken.cwd, flushed.cwd, { recursive: true })
    await runOldVersion(flushed, true)
    const { stdout } = await millrace(['dlq', 'replay', '--dry-run', '--json', ...SETTINGS], flushed)
    const dry = JSON.parse(stdout) as DryRun
    expect(dry.windows.every(({ late, readings: count }) => late === count)).toBe(true)
    // And so it is.
    await millrace(['dlq', 'replay', '--yes'], flushed)
    const run = await millrace(END, flushed)
    expect(JSON.parse(run.stdout)).toMatchObject({ counted: 0, deadLetters: 0 })
    const { late, duplicates } = JSON.parse(run.stdout) as { late: number; duplicates: number }
    expect(late + duplicates).toBe(dry.replayed)
  })

  it('go back exactly once although the replay is killed again and again, and count as if never lost', async () => {
    const command = ['dlq', 'replay', '--yes', '--rate', '6000/s', '--json']
    const random = new SeededRandom(11)
    const done: number[] = []
    for (let kill = 0; kill < 3; kill++) {
      const grown = 150_000 + Math.floor(random.fraction() * 900_000)
      await killWhenGrown(command, broken, grown)
      done.push((await replayedIn(broken)).length)
    }
    const last = await millrace(command, broken)
    const letters = readings().filter(isUnreadable)
    expect(JSON.parse(last.stdout)).toMatchObject({ goesOn: true, finished: true, replayed: letters.length })
    // It was killed in the middle each time.
    expect(done.every((count, index) => count > (done[index - 1] ?? 0) && count < letters.length)).toBe(true)

    const back = await replayedIn(broken)
    expect(repeatedIn(back)).toEqual([])
    const content = (values: readonly Reading[]): string[] =>
      values.map((value) => JSON.stringify(value)).sort()
    expect(content(back.map(({ value }) => value as unknown as Reading))).toEqual(content(letters))

    const [mended, never] = [await millrace(END, broken), await millrace(END, clean)]
    expect(JSON.parse(mended.stdout)).toMatchObject({ readings: letters.length, deadLetters: 0, late: 0 })
    expect(JSON.parse(never.stdout)).toMatchObject({ readings: READINGS, deadLetters: 0, late: 0 })
    const [results, expected] = [await exported('aggregates', broken), await exported('aggregates', clean)]
    expect(results.length).toBeGreaterThan(500)
    expect(contentOf(results)).toEqual(contentOf(expected))

    // The check can tell: asked again, single letters go back a second time.
    await millrace(['dlq', 'replay', '0@0', '--again', '--yes'], broken)
    expect(repeatedIn(await replayedIn(broken))).toHaveLength(1)
  })
})

describe('the rate of a replay', () => {
  // How little it falls behind is for the unit test: here it depends on what else the machine does.
  it('is not exceeded by more than a tenth', async () => {
    const select = ['--partition', '0', '--rate', '500/s', '--yes', '--json']
    const { stdout } = await millrace(['dlq', 'replay', ...select], paced)
    const { replayed } = JSON.parse(stdout) as { replayed: number }
    expect(replayed).toBeGreaterThan(1_000)
    // From the transaction with the first one to that with the last one, without the start of the program.
    const audit = await millrace(['audit', '--json', '--limit', '2'], paced)
    const [begun, ended] = linesOf<{ time: string }>(audit.stdout).map(({ time }) => Date.parse(time))
    const perSecond = (replayed / (ended! - begun!)) * 1_000
    expect(perSecond).toBeLessThan(550)
  })
})

/** The records of the topic that a replay put there. */
async function replayedIn(place: RunOptions): Promise<readonly ExportedRecord[]> {
  return (await exported('readings', place)).filter(({ headers }) => headers[REPLAY.id] !== undefined)
}

/** Dead letters of which there is more than one record. */
function repeatedIn(records: readonly ExportedRecord[]): readonly string[] {
  const seen = new Set<string>()
  return records.flatMap(({ headers }) => {
    const letter = headers[REPLAY.deadLetter]!
    if (seen.has(letter)) return [letter]
    seen.add(letter)
    return []
  })
}

/** Starts the command and kills it once the log has grown by so many bytes. */
async function killWhenGrown(command: readonly string[], place: RunOptions, bytes: number): Promise<void> {
  const before = logBytes(place.cwd)
  const started = startMillrace(command, place)
  let over = false
  void started.ended.then(() => (over = true))
  while (!over && logBytes(place.cwd) < before + bytes) await setTimeout(2)
  expect((await started.stop('SIGKILL')).code, 'it ended before it could be killed').toBeNull()
}

function logBytes(cwd: string): number {
  const data = path.join(cwd, '.millrace/log/data')
  try {
    return readdirSync(data).reduce((sum, name) => sum + statSync(path.join(data, name)).size, 0)
  } catch {
    // A file that LevelDB has just removed: looked at again.
    return 0
  }
}
