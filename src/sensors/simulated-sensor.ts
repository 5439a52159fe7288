/**
 * One made-up sensor: what it sends for a slot, if anything. A pure function of (seed, sensor, slot). Only +,
 * -, *, / work on temperatures: unlike `Math.sin`, these give the same bits on every machine.
 */
import { fraction, mixInteger } from './draws.ts'
import { TEMPERATURE_MIN } from './reading-limits.ts'
import type { ValidRange } from './reading.ts'

/** How often something happens, each in `[0, 1]`. */
export interface GeneratorRates {
  /** Readings outside the valid range. Default 0.05. */
  readonly outOfRange: number
  /** Slots without a reading. Default 0.10. */
  readonly missing: number
  /** Readings that arrive in a later slot. Default 0.01. */
  readonly late: number
  /** Readings that arrive a second time, byte for byte the same. Default 0.01. */
  readonly duplicate: number
  /** Slots whose record is no reading. Default 0.001. */
  readonly corrupt: number
}

/** What all sensors of one generator share. */
export interface SensorSettings {
  readonly seed: number
  readonly startMs: number
  readonly periodMs: number
  readonly range: ValidRange
  readonly rates: GeneratorRates
  /** Late readings and duplicates arrive 1 to this many slots later. */
  readonly lateSlots: number
  /** Ends every event id: tells readings of other content apart. */
  readonly idSuffix: string
}

/** What a sensor sends for one slot. */
export interface SentRecord {
  readonly value: string
  readonly timestampMs: number
  readonly kind: 'normal' | 'outOfRange' | 'late' | 'corrupt'
  readonly deviated: boolean
  /** Slots until it arrives; 0 unless late. */
  readonly delaySlots: number
  /** Slots from then until it arrives again; 0 for never. */
  readonly repeatSlots: number
}

const MISSING = 0
const CORRUPT = 1
const CORRUPTION = 2
const OUT_OF_RANGE = 3
const SIDE = 4
const DISTANCE = 5
const NOISE = 6
const LATE = 7
const DELAY = 8
const DUPLICATE = 9
const REPEAT = 10
const PHASE = 11

const WAVE_PERIOD_MS = 86_400_000

/** Sensor number `number` (from 1), with the id `sensor-0001` and so on. */
export class SimulatedSensor {
  readonly id: string
  readonly #settings: SensorSettings
  readonly #hash: number
  /** Where in its daily wave the sensor is at the epoch, in `[0, 1)`. */
  readonly #phase: number

  constructor(settings: SensorSettings, number: number) {
    this.id = `sensor-${String(number).padStart(4, '0')}`
    this.#settings = settings
    this.#hash = mixInteger(mixInteger(0, settings.seed), number)
    this.#phase = fraction(this.#hash, PHASE)
  }

  /** What the sensor sends for this slot; `null` for nothing. */
  send(slot: number): SentRecord | null {
    const { startMs, periodMs, rates, range, lateSlots } = this.#settings
    const draws = mixInteger(this.#hash, slot)
    if (fraction(draws, MISSING) < rates.missing) return null
    const timestampMs = startMs + slot * periodMs
    const deviated = fraction(draws, OUT_OF_RANGE) < rates.outOfRange
    const temperature = deviated
      ? outsideTemperature(range, fraction(draws, SIDE), fraction(draws, DISTANCE))
      : insideTemperature(range, waveAt(timestampMs / WAVE_PERIOD_MS + this.#phase), fraction(draws, NOISE))
    if (fraction(draws, CORRUPT) < rates.corrupt) {
      const value = this.#corrupted(fraction(draws, CORRUPTION), timestampMs, temperature)
      return { value, timestampMs, kind: 'corrupt', deviated: false, delaySlots: 0, repeatSlots: 0 }
    }
    const status = deviated ? 'deviated' : 'normal'
    const content = `"timestamp":${timestampMs},"temperature":${temperature},"status":"${status}"`
    const value = `{${this.#ids(timestampMs)},${content}}`
    const late = fraction(draws, LATE) < rates.late
    return {
      value,
      timestampMs,
      kind: late ? 'late' : deviated ? 'outOfRange' : 'normal',
      deviated,
      delaySlots: late ? 1 + Math.floor(fraction(draws, DELAY) * lateSlots) : 0,
      repeatSlots:
        fraction(draws, DUPLICATE) < rates.duplicate
          ? 1 + Math.floor(fraction(draws, REPEAT) * lateSlots)
          : 0,
    }
  }

  #ids(timestampMs: number): string {
    return `"eventId":"${this.id}-${timestampMs}${this.#settings.idSuffix}","sensorId":"${this.id}"`
  }

  /** A record that fails in one of seven ways, each as likely. */
  #corrupted(draw: number, timestampMs: number, temperature: number): string {
    const ids = this.#ids(timestampMs)
    const forms = [
      `{${ids},"timestamp":${timestampMs},"tempera`,
      `{${ids},"timestamp":${timestampMs},"temperature":NaN}`,
      `{${ids},"timestamp":${timestampMs},"temperature":"${temperature}"}`,
      `{${ids},"timestamp":${timestampMs},"temperature":-300}`,
      `{${ids},"timestamp":"yesterday","temperature":${temperature}}`,
      `{"sensorId":"${this.id}","timestamp":${timestampMs},"temperature":${temperature}}`,
      `{"eventId":"${this.id}-${timestampMs}","timestamp":${timestampMs},"temperature":${temperature}}`,
    ]
    return forms[Math.floor(draw * forms.length)] as string
  }
}

/** A smooth wave of period 1 between -1 and 1: a triangle with its corners rounded by a cubic. */
function waveAt(turns: number): number {
  const triangle = Math.abs(2 * (turns - Math.floor(turns)) - 1)
  return 2 * triangle * triangle * (3 - 2 * triangle) - 1
}

/** In the middle eight tenths of the range: half of it wave, the rest noise. */
function insideTemperature({ low, high }: ValidRange, wave: number, noise: number): number {
  const half = (high - low) / 2
  const temperature = low + half + half * (0.5 * wave + 0.6 * noise - 0.3)
  const rounded = Math.round(temperature * 100) / 100
  // A range of a few hundredths may hold no number of two decimals.
  return rounded >= low && rounded <= high ? rounded : temperature
}

/**
 * At least a hundredth and at most a little over half the width away from the range; never below absolute
 * zero.
 */
function outsideTemperature({ low, high }: ValidRange, side: number, draw: number): number {
  const distance = 0.01 + ((high - low) / 2) * (0.1 + draw)
  const below = Math.floor((low - distance) * 100) / 100
  return side < 0.5 && below >= TEMPERATURE_MIN ? below : Math.ceil((high + distance) * 100) / 100
}
