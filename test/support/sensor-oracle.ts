/**
 * What the aggregator must publish, by a few plain loops over what stands in its topic: written against the promises in
 * the README, with nothing of the program's own code. One partition after the other, each in its order.
 */
import { rationalSum } from './rational-sum.ts'

/** A record of the topic of readings; the key is the sensor's id. */
export interface InputRecord {
  readonly key: string
  readonly value: string
}

/** How the aggregator under test is set. Windows do not overlap, and no time-out decides anything. */
export interface OracleSettings {
  readonly windowMs: number
  readonly graceMs: number
  readonly low: number
  readonly high: number
}

/** Rows of text to be compared, per output and partition, in order; `deadLetters` of all partitions, sorted. */
export interface Published {
  readonly aggregates: readonly (readonly string[])[]
  readonly late: readonly (readonly string[])[]
  readonly deadLetters: readonly string[]
}

interface OracleReading {
  readonly eventId: string
  readonly sensorId: string
  readonly timestamp: number
  readonly temperature: number
}

/** What must be there when everything is worked and the windows open at the end are flushed. */
export function oracle(input: readonly (readonly InputRecord[])[], settings: OracleSettings): Published {
  const partitions = input.map((records) => workPartition(records, settings))
  return {
    aggregates: partitions.map(({ aggregates }) => aggregates),
    late: partitions.map(({ late }) => late),
    deadLetters: partitions.flatMap(({ deadLetters }) => deadLetters).sort(),
  }
}

/** A result as a row: key, timestamp and value, whatever the order of the value's fields. */
export function aggregateRow(
  key: string,
  timestampMs: number,
  value: Readonly<Record<string, unknown>>,
): string {
  return JSON.stringify([key, timestampMs, Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))])
}

/** A late reading or a dead letter as a row. */
export function plainRow(key: string, value: string): string {
  return `${key} ${value}`
}

function workPartition(records: readonly InputRecord[], settings: OracleSettings) {
  const { windowMs, graceMs } = settings
  const windows = new Map<string, { start: number; sensor: string; values: number[] }>()
  const seen = new Map<string, number>()
  const late: string[] = []
  const deadLetters: string[] = []
  let watermark = -Infinity
  for (const { key, value } of records) {
    const reading = readingOf(value)
    if (reading === null || reading.sensorId !== key) {
      deadLetters.push(plainRow(key, value))
      continue
    }
    const { timestamp, eventId } = reading
    const start = timestamp - (timestamp % windowMs)
    const before = seen.get(eventId)
    // An event id is remembered for a window and its grace.
    if (before === undefined || before + windowMs + graceMs <= watermark) {
      seen.set(eventId, timestamp)
      if (start + windowMs + graceMs <= watermark) {
        late.push(plainRow(key, value))
      } else {
        const id = `${key}@${start}`
        const window = windows.get(id) ?? { start, sensor: key, values: [] }
        windows.set(id, window)
        window.values.push(reading.temperature)
      }
    }
    watermark = Math.max(watermark, timestamp)
  }
  const inOrder = [...windows.values()].sort((a, b) => a.start - b.start || (a.sensor < b.sensor ? -1 : 1))
  const aggregates = inOrder.map(({ start, sensor, values }) => resultRow(sensor, start, values, settings))
  return { aggregates, late, deadLetters }
}

function readingOf(text: string): OracleReading | null {
  let reading: Partial<OracleReading>
  try {
    reading = JSON.parse(text) as Partial<OracleReading>
  } catch {
    return null
  }
  const { eventId, sensorId, timestamp, temperature } = reading
  const isWhole = typeof eventId === 'string' && typeof sensorId === 'string' && Number.isInteger(timestamp)
  const isPossible = typeof temperature === 'number' && temperature >= -273.15
  return isWhole && isPossible ? (reading as OracleReading) : null
}

function resultRow(
  sensorId: string,
  windowStart: number,
  values: readonly number[],
  { windowMs, low, high }: OracleSettings,
): string {
  const sum = rationalSum(values)
  const windowEnd = windowStart + windowMs
  return aggregateRow(`${sensorId}@${windowStart}`, windowEnd - 1, {
    sensorId,
    windowStart,
    windowEnd,
    count: values.length,
    sum,
    min: Math.min(...values),
    max: Math.max(...values),
    mean: sum / values.length,
    deviated: values.filter((value) => value < low || value > high).length,
    synthetic: 0,
  })
}

/** What is wrong with an output. All empty: nothing. */
export interface Differences {
  /** Rows that are there more often than they should be. */
  readonly twice: readonly string[]
  readonly missing: readonly string[]
  /** Rows that should not be there at all. */
  readonly unexpected: readonly string[]
  /** Partitions that hold what they should, in another order. */
  readonly disordered: readonly string[]
}

/** Compares all outputs. */
export function compare(expected: Published, actual: Published): Differences {
  const found = { twice: [], missing: [], unexpected: [], disordered: [] as string[] }
  for (const topic of ['aggregates', 'late'] as const) {
    const count = Math.max(expected[topic].length, actual[topic].length)
    for (let partition = 0; partition < count; partition++) {
      const [wanted, there] = [expected[topic][partition] ?? [], actual[topic][partition] ?? []]
      const same = comparePart(wanted, there, found)
      if (same && wanted.join('\n') !== there.join('\n')) found.disordered.push(`${topic}/${partition}`)
    }
  }
  comparePart(expected.deadLetters, actual.deadLetters, found)
  return found
}

/** True when both hold the same rows as often. */
function comparePart(
  expected: readonly string[],
  actual: readonly string[],
  found: { twice: string[]; missing: string[]; unexpected: string[] },
): boolean {
  const left = new Map<string, number>()
  for (const row of expected) left.set(row, (left.get(row) ?? 0) + 1)
  let same = expected.length === actual.length
  for (const row of actual) {
    const count = left.get(row)
    if (count === undefined) found.unexpected.push(row)
    else if (count === 0) found.twice.push(row)
    else left.set(row, count - 1)
    if (count === undefined || count === 0) same = false
  }
  for (const [row, count] of left) {
    for (let missing = 0; missing < count; missing++) found.missing.push(row)
  }
  return same
}
