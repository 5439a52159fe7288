/** What the jobs have to know of the results of the sensor application, by the plan of a backfill. */
import { ConfigError, messageOf } from '../errors.ts'
import type { BackfillRecord } from '../jobs/backfill/backfill-record.ts'
import { backfillApplicationId } from '../jobs/backfill/backfill-names.ts'
import type { ResultFormat } from '../jobs/reconciliation/result-format.ts'
import type { Log } from '../log/log.ts'
import { readStatus } from '../runtime/status.ts'
import { parseAggregateKey } from '../sensors/aggregate.ts'
import { aggregateInvariants, type WindowFacts } from '../sensors/aggregate-invariants.ts'
import type { SensorSerdes } from '../sensors/sensor-serdes.ts'

/** The format of the results that this backfill has staged. */
export function aggregateFormat(
  record: BackfillRecord,
  serdes: SensorSerdes,
  newestReadingMs: number | undefined,
): ResultFormat {
  return {
    value: serdes.aggregate,
    invariants: aggregateInvariants({
      ...windowFacts(record.plan.settings),
      ...(newestReadingMs === undefined ? {} : { newestReadingMs }),
    }),
    sourceKeyOf,
  }
}

/** The highest event time that the run of a backfill has read; `undefined` where its positions do not tell. */
export async function newestReadingOf(
  log: Log,
  { applicationId, id, plan }: BackfillRecord,
): Promise<number | undefined> {
  const { tasks } = await readStatus(log, backfillApplicationId(applicationId, id))
  const { outOfOrderness } = plan.settings
  const behindMs = typeof outOfOrderness === 'number' ? outOfOrderness : 0
  // Watermarks of the tasks that read the readings themselves: the highest event time, less the out-of-orderness.
  const reached = tasks
    .filter(({ task }) => task.startsWith('0_'))
    .flatMap(({ inputs }) => inputs.map(({ watermarkMs }) => watermarkMs + behindMs))
    .filter((ms) => Number.isFinite(ms))
  return reached.length === 0 ? undefined : Math.max(...reached)
}

function windowFacts(settings: BackfillRecord['plan']['settings']): WindowFacts {
  const { window, advance, validRange } = settings
  const range = validRange as { readonly low?: unknown; readonly high?: unknown } | null | undefined
  const windowMs = typeof window === 'number' ? window : undefined
  const advanceMs = typeof advance === 'number' ? advance : windowMs
  return {
    ...(windowMs === undefined ? {} : { windowMs }),
    ...(advanceMs === undefined ? {} : { advanceMs }),
    ...(typeof range?.low === 'number' && typeof range.high === 'number'
      ? { validRange: { low: range.low, high: range.high } }
      : {}),
  }
}

function sourceKeyOf(key: string): string | undefined {
  try {
    return parseAggregateKey(key).sensorId
  } catch {
    return undefined
  }
}

/** Whose result it is and what its timestamp is, by its key and what is told of it. `ConfigError` for another key. */
export function resultTimeOf(
  key: string,
  fields: Readonly<Record<string, unknown>>,
  settings: BackfillRecord['plan']['settings'],
): { readonly sensorId: string; readonly timestampMs: number } {
  const { windowEnd } = fields
  const { windowMs = 0 } = windowFacts(settings)
  try {
    const { sensorId, windowStart } = parseAggregateKey(key)
    const endMs = typeof windowEnd === 'number' ? windowEnd : windowStart + windowMs
    return { sensorId, timestampMs: endMs - 1 }
  } catch (error) {
    throw new ConfigError([`the truth has a result that is none: ${messageOf(error)}`])
  }
}
