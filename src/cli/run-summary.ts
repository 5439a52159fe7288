/** What a run did: the difference between what the log says before and after it. */
import type { Log } from '../log/log.ts'
import { readRange } from '../runtime/commit-log.ts'
import { readStatus } from '../runtime/status.ts'
import type { Serde } from '../serde/serde.ts'
import type { Aggregate } from '../sensors/aggregate.ts'
import { DUPLICATES } from '../sensors/deduplicate.ts'
import { endsOf, type Positions } from './sensor-counts.ts'
import type { Terminal } from './terminal.ts'
import { counted, formatCount, table } from './text.ts'

/** Counts of the whole application, and where its results ended. */
export interface RunSnapshot {
  readonly counts: RunCounts
  readonly ends: Positions
}

/** Readings, each of which is exactly one of: counted, late, duplicate, dead letter. */
export interface RunCounts {
  readonly readings: number
  readonly counted: number
  readonly late: number
  readonly duplicates: number
  readonly deadLetters: number
  /** Of those counted: late for some of their windows. */
  readonly partlyLate: number
}

/** What became of the windows of a sensor. */
export interface SensorSummary {
  windows: number
  readings: number
  deviated: number
}

/** What a run did. */
export interface RunSummary extends RunCounts {
  readonly windows: number
  /** Of the readings in these windows. */
  readonly deviated: number
  readonly elapsedMs: number
  readonly readingsPerSecond: number
  readonly sensors: ReadonlyMap<string, SensorSummary>
}

/** Where to look. */
export interface SummaryPlace {
  readonly log: Log
  readonly applicationId: string
  readonly aggregatesTopic: string
  readonly aggregate: Serde<Aggregate>
}

/** The state of things now. */
export async function takeSnapshot(place: SummaryPlace): Promise<RunSnapshot> {
  const { log, applicationId } = place
  const { tasks } = await readStatus(log, applicationId)
  const total = (name: string, of = tasks): number =>
    of.reduce((sum, { counts }) => sum + (counts[name] ?? 0), 0)
  // Behind a repartition the same readings are consumed once more.
  const readings = total(
    'consumed',
    tasks.filter(({ task }) => task.startsWith('0_')),
  )
  const [late, duplicates, deadLetters] = [total('late'), total(DUPLICATES), total('deadLetters')]
  const counts = {
    readings,
    counted: readings - late - duplicates - deadLetters - total('skipped'),
    late,
    duplicates,
    deadLetters,
    partlyLate: total('partlyLate'),
  }
  return { counts, ends: await endsOf(log, place.aggregatesTopic) }
}

/** What happened since `before`. Reads the results that were written since. */
export async function summarize(
  place: SummaryPlace,
  before: RunSnapshot,
  elapsedMs: number,
): Promise<RunSummary> {
  const after = await takeSnapshot(place)
  const results = await readResults(place, before.ends, after.ends)
  const sensors = new Map<string, SensorSummary>()
  let deviated = 0
  for (const { sensorId, count, deviated: inWindow } of results) {
    const sensor = sensors.get(sensorId) ?? { windows: 0, readings: 0, deviated: 0 }
    sensors.set(sensorId, sensor)
    sensor.windows++
    sensor.readings += count
    sensor.deviated += inWindow
    deviated += inWindow
  }
  const counts = difference(after.counts, before.counts)
  const readingsPerSecond = Math.round(counts.readings / Math.max(elapsedMs / 1000, 0.001))
  return { ...counts, windows: results.length, deviated, elapsedMs, readingsPerSecond, sensors }
}

function difference(after: RunCounts, before: RunCounts): RunCounts {
  return {
    readings: after.readings - before.readings,
    counted: after.counted - before.counted,
    late: after.late - before.late,
    duplicates: after.duplicates - before.duplicates,
    deadLetters: after.deadLetters - before.deadLetters,
    partlyLate: after.partlyLate - before.partlyLate,
  }
}

/** The results between two ends; of a window that has several the last. */
async function readResults(
  place: SummaryPlace,
  from: Positions,
  to: Positions,
): Promise<readonly Aggregate[]> {
  const { log, aggregatesTopic: topic, aggregate } = place
  const results = new Map<string, Aggregate>()
  let complete = true
  for (const [partition, end] of to) {
    await readRange(log, { topic, partition }, from.get(partition) ?? 0n, end, (cursor) => {
      const { buffer, valueStart, valueEnd } = cursor
      const key = cursor.key()?.toString() ?? ''
      if (valueEnd < 0) return
      if (aggregate.lookup?.missing(buffer, valueStart, valueEnd) === true) complete = false
      else results.set(key, aggregate.deserialize(buffer, valueStart, valueEnd))
    })
  }
  if (complete) return [...results.values()]
  await aggregate.lookup?.fetch()
  return readResults(place, from, to)
}

/** Tells people what a run did. */
export function tellSummary(summary: RunSummary, terminal: Terminal): void {
  const { readings, windows, deviated, late, partlyLate, duplicates, deadLetters, readingsPerSecond } =
    summary
  if (readings === 0 && windows === 0) return terminal.say('No new readings, no new results.')
  terminal.say(`${counted(readings, 'reading')} worked (${formatCount(readingsPerSecond)} readings/s):`)
  const rows = [
    ['counted', formatCount(summary.counted)],
    ['late', formatCount(late)],
    ['duplicates', formatCount(duplicates)],
    ['dead letters', formatCount(deadLetters)],
  ]
  const [, ...lines] = table([{ title: '' }, { title: '', align: 'right' }], rows)
  for (const line of lines) terminal.say(`  ${line}`)
  const partly = partlyLate === 0 ? '' : `; ${counted(partlyLate, 'reading')} late for some of their windows`
  terminal.say(
    `${counted(windows, 'window')} closed, with ${counted(deviated, 'deviated reading')}${partly}.`,
  )
}

/** The same for programs. */
export function summaryAsJson(summary: RunSummary): object {
  const { sensors, elapsedMs, ...counts } = summary
  return { ...counts, elapsedMs: Math.round(elapsedMs), sensors: sensors.size }
}
