/**
 * What a sensor tells: one temperature at one moment.
 *
 * What lives in `sensors/`: the application that turns readings into windowed statistics, its data and its
 * arithmetic, the importer's files and the generator. What never does: anything of the engine; it is written
 * against the public API alone, as any user would.
 */
import { isEventTime, MAX_EVENT_TIME_MS, RecordError, type Serde, Serdes } from '../index.ts'
import { TEMPERATURE_MAX, TEMPERATURE_MIN, TEXT_LENGTH_MAX } from './reading-limits.ts'
import { scanReading } from './reading-scanner.ts'

/** A reading as it stands in the topic `readings`, key: the sensor id. */
export interface Reading {
  /**
   * Unique to the reading; the same id with the same content is a duplicate. Well-formed, 1 to 256
   * characters.
   */
  readonly eventId: string
  /** Any well-formed text of 1 to 256 characters, `__proto__` too. */
  readonly sensorId: string
  /** Event time, epoch milliseconds, an integer in `[0, 8.64e15]`. */
  readonly timestamp: number
  /** °C as the sensor gave it. */
  readonly temperature: number
  /** What the sensor said of itself; kept, but it does not decide whether the reading counts as deviated. */
  readonly status?: string
  /** True for a reading that nobody measured: it fills a gap. Missing means measured. */
  readonly synthetic?: boolean
}

/** Temperatures that count as normal: `[low, high]`, both ends included. */
export interface ValidRange {
  readonly low: number
  readonly high: number
}

/**
 * Checks that a parsed JSON value is a reading and returns it with exactly the fields of one, in canonical
 * order; other fields are dropped, `status` and `synthetic` may be `null`, which means missing. Every failure
 * is a `RecordError` whose message names the field and the value:
 *
 * | code | when |
 * | --- | --- |
 * | `READING_NOT_AN_OBJECT` | `null`, a list, a text, a number |
 * | `EVENT_ID_MISSING`, `SENSOR_ID_MISSING` | missing, or no text of 1 to 256 characters, well-formed |
 * | `TIMESTAMP_INVALID` | not an integer in `[0, 8.64e15]` |
 * | `TEMPERATURE_INVALID` | not a finite number |
 * | `TEMPERATURE_IMPOSSIBLE` | below absolute zero or above the Planck temperature |
 * | `STATUS_INVALID` | not text of up to 256 characters |
 * | `SYNTHETIC_INVALID` | not a boolean |
 *
 * Checked by hand, because this runs for every record: about 0.1 µs, where a schema library needs several.
 */
export function parseReading(json: unknown): Reading {
  requireObject(json)
  const { eventId, sensorId, timestamp, temperature, status, synthetic } = json as Record<
    keyof Reading,
    unknown
  >
  if (!isId(eventId)) throw invalidId('EVENT_ID_MISSING', 'eventId', eventId)
  if (!isId(sensorId)) throw invalidId('SENSOR_ID_MISSING', 'sensorId', sensorId)
  if (!isEventTime(timestamp)) {
    throw invalid(
      'TIMESTAMP_INVALID',
      'timestamp',
      `whole epoch milliseconds in [0, ${MAX_EVENT_TIME_MS}]`,
      timestamp,
    )
  }
  if (typeof temperature !== 'number' || !Number.isFinite(temperature)) {
    throw invalid('TEMPERATURE_INVALID', 'temperature', 'a finite number', temperature)
  }
  if (temperature < TEMPERATURE_MIN || temperature > TEMPERATURE_MAX) {
    const possible = `between ${TEMPERATURE_MIN} and ${TEMPERATURE_MAX} °C`
    throw invalid('TEMPERATURE_IMPOSSIBLE', 'temperature', possible, temperature)
  }
  if (!isMissing(status)) requireStatus(status)
  if (!isMissing(synthetic)) requireSynthetic(synthetic)
  // Written out: spreading optional fields costs as much as all checks together.
  if (isMissing(synthetic)) {
    if (isMissing(status)) return { eventId, sensorId, timestamp, temperature }
    return { eventId, sensorId, timestamp, temperature, status }
  }
  if (isMissing(status)) return { eventId, sensorId, timestamp, temperature, synthetic }
  return { eventId, sensorId, timestamp, temperature, status, synthetic }
}

/** `RecordError` `READING_NOT_AN_OBJECT` for a JSON value that has no fields. */
export function requireObject(json: unknown): asserts json is object {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new RecordError('READING_NOT_AN_OBJECT', `a reading must be a JSON object, but is ${show(json)}`)
  }
}

const asJson = Serdes.json<Reading>({
  fields: ['eventId', 'sensorId', 'timestamp', 'temperature', 'status', 'synthetic'],
})

/** Readings as canonical JSON. Reading bytes also checks them, with the errors of `parseReading`. */
export const readingSerde: Serde<Reading> = {
  ...asJson,
  name: 'reading',
  deserialize: (buffer, start, end) =>
    scanReading(buffer, start, end) ?? parseReading(asJson.deserialize(buffer, start, end)),
}

/** Whether a temperature lies outside the valid range. Both ends of the range are normal. */
export function isDeviated(temperature: number, range: ValidRange): boolean {
  return temperature < range.low || temperature > range.high
}

/** Whether `value` can be a sensor id or an event id: well-formed text of 1 to 256 characters. */
export function isId(value: unknown): value is string {
  return (
    typeof value === 'string' && value.length > 0 && value.length <= TEXT_LENGTH_MAX && value.isWellFormed()
  )
}

function isMissing(value: unknown): value is null | undefined {
  return value === undefined || value === null
}

function requireStatus(status: unknown): asserts status is string {
  if (typeof status !== 'string' || status.length > TEXT_LENGTH_MAX || !status.isWellFormed()) {
    throw invalid(
      'STATUS_INVALID',
      'status',
      `well-formed text of at most ${TEXT_LENGTH_MAX} characters`,
      status,
    )
  }
}

function requireSynthetic(synthetic: unknown): asserts synthetic is boolean {
  if (typeof synthetic !== 'boolean')
    throw invalid('SYNTHETIC_INVALID', 'synthetic', 'true or false', synthetic)
}

function invalidId(code: string, field: string, value: unknown): RecordError {
  return invalid(code, field, `well-formed text of 1 to ${TEXT_LENGTH_MAX} characters`, value)
}

function invalid(code: string, field: string, expected: string, value: unknown): RecordError {
  const actual = value === undefined ? 'is missing' : `is ${show(value)}`
  return new RecordError(code, `${field} must be ${expected}, but ${actual}`)
}

/** A value for a message: as JSON, at most 80 characters of it. */
export function show(value: unknown): string {
  const text = typeof value === 'number' ? String(value) : toText(value)
  return text.length <= 80 ? text : `${text.slice(0, 79)}…`
}

function toText(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value)
  } catch {
    return typeof value
  }
}
