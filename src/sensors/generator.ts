/**
 * Readings made from a seed, in order of arrival, with everything that goes wrong with real ones, at rates
 * that are set. The same options always make the same records.
 *
 * Time runs in **slots**: slot n is at `startMs + n * periodMs`, and every sensor has at most one reading in
 * it. What a sensor sends for a slot depends on (seed, sensor, slot) alone, so neither the number of sensors
 * nor the slot at which generation starts changes any reading.
 */
import { hash } from 'node:crypto'
import { ConfigError, MAX_EVENT_TIME_MS } from '../index.ts'
import { TEMPERATURE_MIN } from './reading-limits.ts'
import type { ValidRange } from './reading.ts'
import {
  SimulatedSensor,
  type GeneratorRates,
  type SensorSettings,
  type SentRecord,
} from './simulated-sensor.ts'

/** What to generate. */
export interface GeneratorOptions {
  /** How many sensors: `sensor-0001` and so on. 1 to 1,000,000. */
  readonly sensors: number
  /** Milliseconds between two slots, an integer of at least 1. */
  readonly periodMs: number
  /** Event time of slot 0, epoch milliseconds. */
  readonly startMs: number
  /** A non-negative safe integer. */
  readonly seed: number
  /** Readings lie around its middle. Within `[-273.15, 1,000,000]`. Default 50 to 55. */
  readonly validRange?: ValidRange
  readonly rates?: Partial<GeneratorRates>
  /** Late readings and duplicates arrive 1 to this many slots later. 1 to 100,000. Default 10. */
  readonly lateSlots?: number
  /** Slot to begin with; what is still to arrive from earlier slots does arrive. Default 0. */
  readonly fromSlot?: number
  /** How many slots. Default: for ever (until event times end). */
  readonly slots?: number
  /** How many records at most. Default: no limit. */
  readonly records?: number
}

/**
 * A reading in time, within the valid range or outside; a reading too late for its slot, within or outside;
 * the repetition of an earlier record; something that is no reading.
 */
export type GeneratedKind = 'normal' | 'outOfRange' | 'late' | 'duplicate' | 'corrupt'

/** One record for a topic; its value is also one line for a file. */
export interface GeneratedRecord {
  /** The sensor id, also where the value lacks it. */
  readonly key: string
  /** JSON as `readingSerde` writes it; anything where corrupt, but never with a line break. */
  readonly value: string
  /** Event time of the slot the record belongs to, whenever it arrives. */
  readonly timestampMs: number
  readonly kind: GeneratedKind
}

/** Counts of what was handed out: records of each kind, and more. */
export interface GeneratorSummary extends Readonly<Record<GeneratedKind, number>> {
  /** All records. */
  readonly records: number
  /** Slots of a sensor, up to now, that have no reading at all. */
  readonly missing: number
  /** Readings outside the valid range, late ones included, duplicates not. */
  readonly deviated: number
}

/** The rates where none are given. */
export const DEFAULT_RATES: GeneratorRates = {
  outOfRange: 0.05,
  missing: 0.1,
  late: 0.01,
  duplicate: 0.01,
  corrupt: 0.001,
}

const DEFAULT_RANGE: ValidRange = { low: 50, high: 55 }
const DEFAULT_LATE_SLOTS = 10
const RANGE_HIGH_MAX = 1e6

/**
 * Hands out the records: of each slot first what the sensors send in time, then what arrives from earlier
 * slots, earliest first. To be iterated once; `summary` and `slot` may be read meanwhile.
 *
 * Slots [0, n) and then, with `fromSlot: n`, slots [n, m) give together the records of [0, m). `ConfigError`
 * names all options that make no sense.
 */
export class ReadingGenerator implements Iterable<GeneratedRecord> {
  readonly #sensors: readonly SimulatedSensor[]
  /**
   * What arrives in slot n, at n modulo the length: a ring, because nothing is later than twice `lateSlots`.
   */
  readonly #arrivals: Arrival[][]
  readonly #fromSlot: number
  readonly #endSlot: number
  readonly #recordLimit: number
  readonly #counts = { ...NO_COUNTS }
  #slot: number

  constructor(options: GeneratorOptions) {
    const settings = settingsOf(options)
    this.#sensors = Array.from({ length: options.sensors }, (_, i) => new SimulatedSensor(settings, i + 1))
    this.#arrivals = Array.from({ length: 2 * settings.lateSlots + 1 }, () => [])
    this.#fromSlot = options.fromSlot ?? 0
    const lastSlot = Math.floor((MAX_EVENT_TIME_MS - options.startMs) / options.periodMs)
    this.#endSlot = Math.min(this.#fromSlot + (options.slots ?? Infinity), lastSlot + 1)
    this.#recordLimit = options.records ?? Infinity
    this.#slot = this.#fromSlot
  }

  /** Counts of everything handed out so far. */
  get summary(): GeneratorSummary {
    return { ...this.#counts }
  }

  /** The slot that is being handed out; once iteration ended by `slots`, the one to go on from. */
  get slot(): number {
    return this.#slot
  }

  *[Symbol.iterator](): Generator<GeneratedRecord> {
    const counts = this.#counts
    const limit = this.#recordLimit
    this.#recallEarlierSlots()
    for (; this.#slot < this.#endSlot; this.#slot++) {
      const slot = this.#slot
      for (const sensor of this.#sensors) {
        if (counts.records >= limit) return
        const sent = sensor.send(slot)
        if (sent === null) counts.missing++
        else if (sent.delaySlots === 0) yield this.#handOut(recordOf(sensor, sent, sent.kind), sent.deviated)
        if (sent !== null) this.#schedule(sensor, sent, slot, slot + 1)
      }
      for (const { record, deviated } of this.#arrivalsOf(slot)) {
        if (counts.records >= limit) return
        yield this.#handOut(record, deviated)
      }
      this.#arrivalsOf(slot).length = 0
    }
  }

  /** Draws again what earlier slots have still on its way. */
  #recallEarlierSlots(): void {
    const earliest = Math.max(0, this.#fromSlot - this.#arrivals.length + 1)
    for (let slot = earliest; slot < this.#fromSlot; slot++) {
      for (const sensor of this.#sensors) {
        const sent = sensor.send(slot)
        if (sent !== null) this.#schedule(sensor, sent, slot, this.#fromSlot)
      }
    }
  }

  /** Notes what arrives later, as far as it arrives at `earliest` or after. */
  #schedule(sensor: SimulatedSensor, sent: SentRecord, slot: number, earliest: number): void {
    const arrival = slot + sent.delaySlots
    if (arrival >= earliest) {
      const record = recordOf(sensor, sent, sent.kind)
      this.#arrivalsOf(arrival).push({ record, deviated: sent.deviated })
    }
    const repetition = arrival + sent.repeatSlots
    if (sent.repeatSlots > 0 && repetition >= earliest) {
      this.#arrivalsOf(repetition).push({ record: recordOf(sensor, sent, 'duplicate'), deviated: false })
    }
  }

  #arrivalsOf(slot: number): Arrival[] {
    return this.#arrivals[slot % this.#arrivals.length] as Arrival[]
  }

  #handOut(record: GeneratedRecord, deviated: boolean): GeneratedRecord {
    this.#counts.records++
    this.#counts[record.kind]++
    if (deviated) this.#counts.deviated++
    return record
  }
}

interface Arrival {
  readonly record: GeneratedRecord
  readonly deviated: boolean
}

const NO_COUNTS = {
  records: 0,
  missing: 0,
  deviated: 0,
  normal: 0,
  outOfRange: 0,
  late: 0,
  duplicate: 0,
  corrupt: 0,
}

function recordOf(sensor: SimulatedSensor, sent: SentRecord, kind: GeneratedKind): GeneratedRecord {
  return { key: sensor.id, value: sent.value, timestampMs: sent.timestampMs, kind }
}

function settingsOf(options: GeneratorOptions): SensorSettings {
  const range = options.validRange ?? DEFAULT_RANGE
  const rates = { ...DEFAULT_RATES, ...options.rates }
  const lateSlots = options.lateSlots ?? DEFAULT_LATE_SLOTS
  const problems = problemsOf(options, range, rates, lateSlots)
  if (problems.length > 0) throw new ConfigError(problems)
  const { seed, startMs, periodMs } = options
  // With other settings, the same sensor and time mean another reading: its id must not look like a conflict.
  const content = JSON.stringify([seed, range.low, range.high, rates.outOfRange])
  return {
    seed,
    startMs,
    periodMs,
    range,
    rates,
    lateSlots,
    idSuffix: `-${hash('sha256', content, 'hex').slice(0, 8)}`,
  }
}

function problemsOf(
  options: GeneratorOptions,
  { low, high }: ValidRange,
  rates: GeneratorRates,
  lateSlots: number,
): string[] {
  const problems: string[] = []
  const whole = (name: string, value: number | undefined, min: number, max: number): void => {
    if (value === undefined || (Number.isInteger(value) && value >= min && value <= max)) return
    problems.push(`${name} must be a whole number between ${min} and ${max}, but is ${value}`)
  }
  whole('sensors', options.sensors, 1, 1_000_000)
  whole('periodMs', options.periodMs, 1, MAX_EVENT_TIME_MS)
  whole('startMs', options.startMs, 0, MAX_EVENT_TIME_MS)
  whole('seed', options.seed, 0, Number.MAX_SAFE_INTEGER)
  whole('lateSlots', lateSlots, 1, 100_000)
  whole('fromSlot', options.fromSlot, 0, MAX_EVENT_TIME_MS)
  whole('slots', options.slots, 0, Number.MAX_SAFE_INTEGER)
  whole('records', options.records, 0, Number.MAX_SAFE_INTEGER)
  for (const [name, rate] of Object.entries(rates)) {
    if (!(rate >= 0 && rate <= 1)) problems.push(`the rate ${name} must be between 0 and 1, but is ${rate}`)
  }
  if (!(low >= TEMPERATURE_MIN && low <= high && high <= RANGE_HIGH_MAX)) {
    problems.push(
      `validRange must lie in [${TEMPERATURE_MIN}, ${RANGE_HIGH_MAX}], low <= high, but is ${low}..${high}`,
    )
  }
  return problems
}
