/**
 * A wrong version has published a day. The right version's backfill finds exactly the windows that are wrong, promotes
 * only these, takes them back byte for byte and promotes them again; each step is killed (SIGKILL) at every call to the
 * log, and done again.
 */
import { execFile } from 'node:child_process'
import path from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { MemoryStateDirectory, StreamsApp } from '../../src/index.ts'
import { partitionForKey } from '../../src/log/partitioner.ts'
import { ReadingGenerator } from '../../src/sensors/generator.ts'
import { SENSOR_DEFAULTS, sensorTopology } from '../../src/sensors/sensor-topology.ts'
import { PRODUCER_POINTS, type ProducerPoint } from '../support/killing-log.ts'
import { millrace, startMillrace } from '../support/millrace.ts'
import { readTopic, type ReadRecord } from '../support/read-topic.ts'
import { writeResults } from '../support/result-topics.ts'
import { openLogIn } from '../support/staged-backfill.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { countWindows, logWithWrongMeans, meansOf, type CountedWindow } from '../support/wrong-mean.ts'

const PARTITIONS = 3
const WINDOW = { windowMs: SENSOR_DEFAULTS.windowMs, graceMs: SENSOR_DEFAULTS.graceMs }
const START_MS = Date.UTC(2024, 0, 1)
const HOUR_MS = 3_600_000
/** The middle of the day. */
const RANGE = { fromMs: START_MS + 6 * HOUR_MS, toMs: START_MS + 18 * HOUR_MS }
const CHILD = path.resolve(import.meta.dirname, '../../dist/test/support/killed-publishing.js')
const ID = 'fix-mean'

const folder = temporaryFolder().path
const here = { cwd: folder }
let windows: ReadonlyMap<string, CountedWindow>
let wrongKeys: readonly string[]

beforeAll(async () => {
  const log = await openLogIn(folder)
  await log.createTopics([{ name: 'readings', partitions: PARTITIONS }])
  const day = { sensors: 12, periodMs: 60_000, startMs: START_MS, seed: 11, slots: 1_440 }
  const rates = { outOfRange: 0.05, missing: 0.05, late: 0.02, duplicate: 0.02, corrupt: 0 }
  const readings = [...new ReadingGenerator({ ...day, rates })]
  for (let at = 0; at < readings.length; at += 2_000) {
    const part = readings.slice(at, at + 2_000).map(({ key, value, timestampMs }) => {
      return { partition: partitionForKey(key, PARTITIONS), key, value: Buffer.from(value), timestampMs }
    })
    await writeResults(log, 'readings', part)
  }
  windows = countWindows(await readTopic(log, 'readings'), WINDOW)
  await new StreamsApp({
    topology: sensorTopology(),
    log: logWithWrongMeans(log, windows),
    directory: new MemoryStateDirectory(),
    config: {
      applicationId: 'sensors',
      deadLetterTopic: 'readings.dlq',
      maxFutureSkewMs: null,
      lateTopic: 'readings.late',
    },
    bounded: { flush: true },
  }).run()
  await log.close()
  wrongKeys = [...windows]
    .filter(([, { startMs }]) => {
      const timeMs = startMs + WINDOW.windowMs - 1
      return timeMs >= RANGE.fromMs && timeMs < RANGE.toMs
    })
    .filter(([, window]) => meansOf(window).right !== meansOf(window).wrong)
    .map(([key]) => key)
    .sort()
}, 60_000)

describe('a wrong version that has published a day', () => {
  it('is found, corrected, restored and corrected again, each step killed at every call', async () => {
    const before = await newest()
    await runKilled()

    await killedEverywhere('reconcile', ['before send', 'after send', 'before commit', 'after commit'])
    const report = await millrace(['backfill', 'reconcile', ID, '--json'], here)
    expect([report.code, report.stderr]).toEqual([3, ''])
    const found = JSON.parse(report.stdout) as Record<string, unknown>
    expect(found).toMatchObject({ changed: wrongKeys.length, missing: 0, extra: 0, violations: [] })
    expect(found['fields']).toEqual([{ name: 'mean', changed: wrongKeys.length }])
    expect(wrongKeys.length).toBeGreaterThan(500)
    expect(await newest()).toEqual(before)

    await killedEverywhere('promote', PRODUCER_POINTS)
    const promoted = await newest()
    expect(changedKeys(before, promoted)).toEqual(wrongKeys)
    for (const key of wrongKeys) {
      const { value, headers } = promoted.get(key)!
      const { mean } = JSON.parse(value!) as { mean: number }
      expect([key, mean]).toEqual([key, meansOf(windows.get(key)!).right])
      expect(headers).toContainEqual(['__millrace.backfill.id', ID])
    }
    expect(await writtenTimes(promoted)).toEqual(new Map([[2, wrongKeys.length]]))
    expect((await millrace(['backfill', 'reconcile', ID], here)).code).toBe(0)

    await killedEverywhere('rollback', PRODUCER_POINTS)
    expect(await newest()).toEqual(before)
    expect(await writtenTimes(promoted)).toEqual(new Map([[3, wrongKeys.length]]))

    const again = await millrace(['backfill', 'promote', ID, '--yes', '--json'], here)
    expect(JSON.parse(again.stdout)).toMatchObject({ written: wrongKeys.length, transactions: 1, left: 0 })
    expect(changedKeys(promoted, await newest())).toEqual([])
    expect((await millrace(['backfill', 'reconcile', ID], here)).code).toBe(0)
  }, 600_000)
})

/** Plans, runs, kills the run in the middle, and runs on. */
async function runKilled(): Promise<void> {
  const range = ['--from', new Date(RANGE.fromMs).toISOString(), '--to', new Date(RANGE.toMs).toISOString()]
  const settings = ['--max-future-skew', 'never']
  const planned = await millrace(['backfill', 'plan', ...range, '--id', ID, ...settings], here)
  expect([planned.code, planned.stderr]).toEqual([0, ''])
  const refused = await millrace(['backfill', 'reconcile', ID], here)
  expect(refused.stderr).toContain('[BACKFILL_NOT_RUN]')
  const started = startMillrace(['backfill', 'run', ID, '--rate', '600/s'], here)
  for (;;) {
    const status = await millrace(['backfill', 'status', ID, '--json'], here)
    const { run } = JSON.parse(status.stdout) as { run: { consumed: number } | null }
    if ((run?.consumed ?? 0) > 0) break
  }
  expect((await started.stop('SIGKILL')).code).toBe(null)
  const ended = await millrace(['backfill', 'run', ID], here)
  expect([ended.code, ended.stderr.includes('error')]).toEqual([0, false])
}

/** Kills the step at each point, at its first, third and sixth time, as long as that comes before its end. */
async function killedEverywhere(step: string, points: readonly ProducerPoint[]): Promise<void> {
  let kills = 0
  for (const occurrence of [1, 3]) {
    for (const point of points) {
      if (await isDone(step)) break
      if (await killed(step, point, occurrence)) kills++
    }
  }
  expect(kills, step).toBeGreaterThanOrEqual(4)
  if (!(await isDone(step))) expect(await killed(step)).toBe(false)
}

async function isDone(step: string): Promise<boolean> {
  const status = await millrace(['backfill', 'status', ID, '--json'], here)
  const { state } = JSON.parse(status.stdout) as { state: string }
  return (step === 'promote' && state === 'promoted') || (step === 'rollback' && state === 'rolled-back')
}

/** Whether it was killed; fails when it ended with an error. */
function killed(step: string, ...more: readonly (string | number)[]): Promise<boolean> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [CHILD, folder, ID, step, ...more.map(String)], (error, _stdout, stderr) => {
      if (error === null) resolve(false)
      else if (error.signal === 'SIGKILL') resolve(true)
      else reject(new Error(`${step} ${more.join(' ')}: ${stderr}`))
    })
  })
}

/** What consumers see of each key. */
async function newest(): Promise<Map<string, Omit<ReadRecord, 'offset'>>> {
  const found = new Map<string, Omit<ReadRecord, 'offset'>>()
  for (const { key, value, timestampMs, headers } of await published()) {
    found.set(key!, { key, value, timestampMs, headers })
  }
  return found
}

async function published(): Promise<readonly ReadRecord[]> {
  const log = await openLogIn(folder)
  const partitions = await readTopic(log, 'aggregates')
  await log.close()
  return partitions.flat()
}

function changedKeys(
  before: ReadonlyMap<string, Omit<ReadRecord, 'offset'>>,
  after: ReadonlyMap<string, Omit<ReadRecord, 'offset'>>,
): readonly string[] {
  expect([...after.keys()].sort()).toEqual([...before.keys()].sort())
  return [...after]
    .filter(([key, { value }]) => before.get(key)!.value !== value)
    .map(([key]) => key)
    .sort()
}

/** How many of the wrong keys were written how many times: each step writes each of them once. */
async function writtenTimes(keys: ReadonlyMap<string, unknown>): Promise<ReadonlyMap<number, number>> {
  const times = new Map<string, number>()
  for (const { key } of await published()) times.set(key!, (times.get(key!) ?? 0) + 1)
  const counts = new Map<number, number>()
  for (const key of wrongKeys) {
    expect(keys.has(key)).toBe(true)
    counts.set(times.get(key)!, (counts.get(times.get(key)!) ?? 0) + 1)
  }
  return counts
}
