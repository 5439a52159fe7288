/** The real file through import and run, against a few plain loops over the same file. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { exported, millrace } from '../support/millrace.ts'
import { rationalSum } from '../support/rational-sum.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const SENSOR = 'machine_temperature_system_failure'
const FILE = path.resolve(import.meta.dirname, `../../data/${SENSOR}.csv`)
const WINDOW_MS = 600_000
const READINGS = 22_695

interface Line {
  readonly timeMs: number
  readonly celsius: number
}

const lines: readonly Line[] = readFileSync(FILE, 'utf8')
  .trim()
  .split('\n')
  .slice(1)
  .map((line) => {
    const [time = '', value = ''] = line.trim().split(',')
    return { timeMs: Date.parse(`${time.replace(' ', 'T')}Z`), celsius: Number(value) }
  })

/** What windows of ten minutes must hold, and which readings are late, by the order of the file alone. */
function calculate(graceMs: number): { results: object[]; late: readonly Line[]; duplicates: number } {
  const windows = new Map<number, number[]>()
  const late: Line[] = []
  const seen = new Set<string>()
  let duplicates = 0
  let watermarkMs = -Infinity
  for (const line of lines) {
    const startMs = line.timeMs - (line.timeMs % WINDOW_MS)
    const said = `${line.timeMs} ${line.celsius}`
    if (seen.has(said)) duplicates++
    else if (startMs + WINDOW_MS + graceMs <= watermarkMs) late.push(line)
    else windows.set(startMs, [...(windows.get(startMs) ?? []), line.celsius])
    seen.add(said)
    if (line.timeMs > watermarkMs) watermarkMs = line.timeMs
  }
  const results = [...windows.keys()]
    .sort((a, b) => a - b)
    .map((windowStart) => {
      const values = windows.get(windowStart) ?? []
      const sum = rationalSum(values)
      const value = {
        sensorId: SENSOR,
        windowStart,
        windowEnd: windowStart + WINDOW_MS,
        count: values.length,
        sum,
        min: Math.min(...values),
        max: Math.max(...values),
        mean: sum / values.length,
        deviated: values.filter((value) => value < 55 || value > 105).length,
        synthetic: 0,
      }
      return { key: `${SENSOR}@${windowStart}`, timestamp: windowStart + WINDOW_MS - 1, value }
    })
  return { results, late, duplicates }
}

describe.each([
  { grace: '0s', graceMs: 0, late: 10 },
  { grace: '1h', graceMs: 3_600_000, late: 0 },
])('the machine readings in windows of ten minutes with a grace of $grace', ({ grace, graceMs, late }) => {
  const folder = temporaryFolder()
  const here = { cwd: folder.path }

  it('equal a calculation over the file in every field of every window, late readings by file order', async () => {
    const expected = calculate(graceMs)
    expect(expected.late).toHaveLength(late)

    const imported = await millrace(['import', FILE, '--json'], here)
    expect(JSON.parse(imported.stdout)).toMatchObject({ readings: READINGS, badLines: 0 })
    const run = await millrace(
      [
        'run',
        '--until-end',
        '--flush',
        '--window',
        '10m',
        '--grace',
        grace,
        '--valid-range',
        '55..105',
        '--json',
      ],
      here,
    )
    expect(run.code).toBe(0)
    const summary = JSON.parse(run.stdout) as Record<string, number>
    expect(summary).toMatchObject({
      readings: READINGS,
      counted: READINGS - late - expected.duplicates,
      late,
      duplicates: expected.duplicates,
      deadLetters: 0,
      windows: expected.results.length,
    })

    const results = await exported('aggregates', here)
    expect(results.map(({ key, timestamp, value }) => ({ key, timestamp, value }))).toEqual(expected.results)
    const lateOnes = await exported('readings.late', here)
    expect(lateOnes.map(({ value }) => [value['timestamp'], value['temperature']])).toEqual(
      expected.late.map(({ timeMs, celsius }) => [timeMs, celsius]),
    )
  })
})
