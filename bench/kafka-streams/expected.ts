/**
 * What has to come of the readings, worked out apart from either side, and whether that is what came. Sums here are of
 * whole hundredths and so exact.
 */
import type { Readings } from './readings.ts'

/** How the readings are aggregated. */
export interface Windowing {
  readonly windowMs: number
  readonly graceMs: number
  readonly validRange: { readonly low: number; readonly high: number }
  readonly deduplicate: boolean
}

/** The result of one window, as both sides write it. */
export interface Result {
  readonly sensorId: string
  readonly windowStart: number
  readonly windowEnd: number
  readonly count: number
  readonly sum: number
  readonly min: number
  readonly max: number
  readonly mean: number
  readonly deviated: number
  readonly synthetic: number
}

/** Results by key, `SENSOR@WINDOWSTART`. */
export type Results = ReadonlyMap<string, Result>

/**
 * The sums of the peer are plain ones, whose last bits depend on the order of the readings; those of millrace are
 * exact. So sums and means may differ by this share.
 */
const TOLERANCE = 1e-9
/** How long ids are kept here, at least: repeated readings come within seconds. */
const KEPT_ROUNDS = 600

interface Open {
  sensorId: string
  startMs: number
  count: number
  hundredths: number
  min: number
  max: number
  deviated: number
}

/** The results of all windows that the readings close. */
export function expectedResults(readings: Readings, windowing: Windowing): Results {
  const { windowMs, graceMs, deduplicate } = windowing
  const watermarks = Array.from({ length: readings.workload.partitions }, () => -Infinity)
  const windows = new Map<string, Open>()
  const seen = new Set<string>()
  for (let index = 0; index < readings.count; index++) {
    const { eventId, sensorId, timestamp, hundredths, partition } = readings.at(index)
    const watermark = watermarks[partition]!
    watermarks[partition] = Math.max(watermark, timestamp)
    if (deduplicate) {
      if (seen.has(eventId)) continue
      seen.add(eventId)
      if (seen.size > 2 * KEPT_ROUNDS * readings.workload.sensors) forgetOldest(seen, seen.size / 2)
    }
    const startMs = Math.floor(timestamp / windowMs) * windowMs
    if (startMs + windowMs + graceMs <= watermark) continue
    add(windows, { sensorId, startMs, hundredths }, windowing)
  }
  const closedBeforeMs = Math.min(...watermarks) - graceMs
  const closed = [...windows].filter(([, { startMs }]) => startMs + windowMs <= closedBeforeMs)
  return new Map(closed.map(([key, window]) => [key, resultOf(window, windowMs)]))
}

function add(
  windows: Map<string, Open>,
  reading: { sensorId: string; startMs: number; hundredths: number },
  { validRange: { low, high } }: Windowing,
): void {
  const { sensorId, startMs, hundredths } = reading
  const key = `${sensorId}@${startMs}`
  let window = windows.get(key)
  if (window === undefined) {
    window = { sensorId, startMs, count: 0, hundredths: 0, min: Infinity, max: -Infinity, deviated: 0 }
    windows.set(key, window)
  }
  window.count++
  window.hundredths += hundredths
  window.min = Math.min(window.min, hundredths)
  window.max = Math.max(window.max, hundredths)
  if (hundredths < low * 100 || hundredths > high * 100) window.deviated++
}

function resultOf(
  { sensorId, startMs, count, hundredths, min, max, deviated }: Open,
  windowMs: number,
): Result {
  const sum = hundredths / 100
  return {
    sensorId,
    windowStart: startMs,
    windowEnd: startMs + windowMs,
    count,
    sum,
    min: min / 100,
    max: max / 100,
    mean: sum / count,
    deviated,
    synthetic: 0,
  }
}

function forgetOldest(seen: Set<string>, count: number): void {
  let left = count
  for (const id of seen) {
    if (left-- <= 0) return
    seen.delete(id)
  }
}

/**
 * Nothing where the results are those expected: each once, no other, all fields equal, sums and means within 1e-9 of
 * their value. Else what is wrong, at most ten lines.
 */
export function differences(
  found: readonly (readonly [string, Result])[],
  expected: Results,
): readonly string[] {
  const wrong: string[] = []
  const met = new Set<string>()
  for (const [key, result] of found) {
    const wanted = expected.get(key)
    if (met.has(key)) wrong.push(`${key} is there twice`)
    else if (wanted === undefined) wrong.push(`${key} should not be there`)
    else if (!equal(result, wanted)) {
      wrong.push(`${key} is ${JSON.stringify(result)}, not ${JSON.stringify(wanted)}`)
    }
    met.add(key)
  }
  for (const key of expected.keys()) if (!met.has(key)) wrong.push(`${key} is missing`)
  return wrong.length <= 10 ? wrong : [...wrong.slice(0, 9), `and ${wrong.length - 9} more`]
}

function equal(found: Result, wanted: Result): boolean {
  const exact = [
    ...(['sensorId', 'windowStart', 'windowEnd', 'count', 'min', 'max'] as const),
    ...(['deviated', 'synthetic'] as const),
  ]
  return (
    exact.every((field) => found[field] === wanted[field]) &&
    Math.abs(found.sum - wanted.sum) <= TOLERANCE * Math.abs(wanted.sum) &&
    Math.abs(found.mean - wanted.mean) <= TOLERANCE * Math.abs(wanted.mean)
  )
}
