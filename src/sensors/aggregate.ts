/** The result of a window: its shape, its bytes, its key. */
import { RecordError, type Serde, Serdes } from '../index.ts'
import { roundedSum } from './exact-sum.ts'
import { show } from './reading.ts'
import type { Statistics } from './statistics.ts'

/** The result of one window of one sensor, as it stands in the topic `aggregates`. */
export interface Aggregate {
  readonly sensorId: string
  /** Epoch milliseconds; the window is `[windowStart, windowEnd)`. */
  readonly windowStart: number
  readonly windowEnd: number
  /** Readings in the window, at least 1, synthetic ones included. */
  readonly count: number
  /** Sum of the temperatures in °C, correctly rounded whatever their order. */
  readonly sum: number
  readonly min: number
  readonly max: number
  /** `sum / count`. */
  readonly mean: number
  /** How many of `count` lie outside the valid range. */
  readonly deviated: number
  /** How many of `count` are synthetic. */
  readonly synthetic: number
}

/** The result of the window `[windowStart, windowEnd)`. `RangeError` for statistics without readings. */
export function toAggregate(
  sensorId: string,
  windowStart: number,
  windowEnd: number,
  statistics: Statistics,
): Aggregate {
  const { count, min, max, deviated, synthetic } = statistics
  if (count === 0) throw new RangeError('a window without readings has no aggregate')
  const sum = roundedSum(statistics.sum)
  return { sensorId, windowStart, windowEnd, count, sum, min, max, mean: sum / count, deviated, synthetic }
}

/** Aggregates as canonical JSON, fields in the order of `Aggregate`. */
export const aggregateSerde: Serde<Aggregate> = {
  ...Serdes.json<Aggregate>({
    fields: [
      'sensorId',
      'windowStart',
      'windowEnd',
      'count',
      'sum',
      'min',
      'max',
      'mean',
      'deviated',
      'synthetic',
    ],
  }),
  name: 'aggregate',
}

/** The key of an aggregate: `SENSOR@WINDOWSTART`. */
export function aggregateKey(sensorId: string, windowStart: number): string {
  return `${sensorId}@${windowStart}`
}

/**
 * The parts of a key that `aggregateKey` made. The last `@` divides, so sensor ids may contain one.
 * `RecordError` `AGGREGATE_KEY_INVALID` for anything else.
 */
export function parseAggregateKey(key: string): { sensorId: string; windowStart: number } {
  const at = key.lastIndexOf('@')
  const sensorId = key.slice(0, Math.max(at, 0))
  const windowStart = Number(key.slice(at + 1))
  if (sensorId === '' || !Number.isSafeInteger(windowStart) || aggregateKey(sensorId, windowStart) !== key) {
    throw new RecordError(
      'AGGREGATE_KEY_INVALID',
      `an aggregate's key must be SENSOR@WINDOWSTART, but is ${show(key)}`,
    )
  }
  return { sensorId, windowStart }
}
