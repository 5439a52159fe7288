/** A log with published and staged aggregates, and a backfill that has run, for tests of the command line. */
import { openEmbeddedLog } from '../../src/log/embedded/index.ts'
import type { Log } from '../../src/log/log.ts'
import { ranBackfill, writeResults, type Written } from './result-topics.ts'

export const WINDOW_MS = 600_000
export const START_MS = Date.UTC(2024, 0, 1)

/** An aggregate as the application writes it: statistics of these readings. */
export function aggregate(sensorId: string, window: number, readings: readonly number[]): Written {
  const windowStart = START_MS + window * WINDOW_MS
  const sum = readings.reduce((total, reading) => total + reading, 0)
  return {
    key: `${sensorId}@${windowStart}`,
    timestampMs: windowStart + WINDOW_MS - 1,
    value: {
      sensorId,
      windowStart,
      windowEnd: windowStart + WINDOW_MS,
      count: readings.length,
      sum,
      min: Math.min(...readings),
      max: Math.max(...readings),
      mean: sum / readings.length,
      deviated: readings.filter((reading) => reading < 50 || reading > 55).length,
      synthetic: 0,
    },
  }
}

/** Opens the log below `folder`, as the program does by default. */
export function openLogIn(folder: string): Promise<Log> {
  return openEmbeddedLog({ directory: `${folder}/.millrace/log` })
}

/** Writes both sides below `folder`; the backfill's range has `windows` windows. */
export async function stageBackfill(
  folder: string,
  id: string,
  published: readonly Written[],
  staged: readonly Written[],
  windows = 144,
): Promise<void> {
  const log = await openLogIn(folder)
  const place = { log, applicationId: 'sensors' }
  const topic = await ranBackfill(place, id, 2, {
    range: { fromMs: START_MS, toMs: START_MS + windows * WINDOW_MS },
    settings: { window: WINDOW_MS, advance: null, validRange: { low: 50, high: 55 } },
  })
  await writeResults(log, 'aggregates', published)
  await writeResults(log, topic, staged)
  await log.close()
}
