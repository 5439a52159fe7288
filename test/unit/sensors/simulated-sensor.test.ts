import { describe, expect, it } from 'vitest'
import { parseReading, readingSerde, type Reading, type ValidRange } from '../../../src/sensors/reading.ts'
import {
  SimulatedSensor,
  type GeneratorRates,
  type SentRecord,
} from '../../../src/sensors/simulated-sensor.ts'
import { readFrom } from '../../support/serde-bytes.ts'

const NEVER: GeneratorRates = { outOfRange: 0, missing: 0, late: 0, duplicate: 0, corrupt: 0 }
const MINUTE = 60_000

function sensor(
  rates: Partial<GeneratorRates>,
  range: ValidRange = { low: 50, high: 55 },
  number = 1,
): SimulatedSensor {
  const settings = { seed: 7, startMs: 1_000_000, periodMs: MINUTE, lateSlots: 4, idSuffix: '-x', range }
  return new SimulatedSensor({ ...settings, rates: { ...NEVER, ...rates } }, number)
}

function sent(from: SimulatedSensor, slots: number): SentRecord[] {
  return Array.from({ length: slots }, (_, slot) => from.send(slot)).filter((record) => record !== null)
}

const readings = (records: readonly SentRecord[]): Reading[] =>
  records.map(({ value }) => parseReading(JSON.parse(value)))

describe('a simulated sensor', () => {
  it('sends one reading for each slot, as the reading serde writes it', () => {
    const records = sent(sensor({}), 100)
    for (const [slot, record] of records.entries()) {
      const reading = readFrom(readingSerde, Buffer.from(record.value))
      expect(reading).toMatchObject({
        sensorId: 'sensor-0001',
        timestamp: 1_000_000 + slot * MINUTE,
        status: 'normal',
      })
      expect(reading.eventId).toBe(`sensor-0001-${reading.timestamp}-x`)
      expect(readingSerde.serialize(reading)).toBe(record.value)
      expect(record).toMatchObject({
        timestampMs: reading.timestamp,
        kind: 'normal',
        deviated: false,
        delaySlots: 0,
      })
    }
    expect(records.length).toBe(100)
  })

  it('stays within the valid range, with two decimals, and moves', () => {
    const temperatures = readings(sent(sensor({}), 2880)).map(({ temperature }) => temperature)
    for (const temperature of temperatures) expect(temperature).toBe(Number(temperature.toFixed(2)))
    expect(Math.min(...temperatures)).toBeGreaterThanOrEqual(50)
    expect(Math.max(...temperatures)).toBeLessThanOrEqual(55)
    expect(Math.max(...temperatures) - Math.min(...temperatures)).toBeGreaterThan(3)
  })

  it('follows a daily wave of its own, slower than its noise', () => {
    const hourly = (number: number): number[] => {
      const all = readings(sent(sensor({}, { low: 50, high: 55 }, number), 1440))
      const hours = Array.from({ length: 24 }, (_, hour) => all.slice(60 * hour, 60 * hour + 60))
      return hours.map((hour) => hour.reduce((sum, { temperature }) => sum + temperature, 0) / hour.length)
    }
    const [first, second] = [hourly(1), hourly(2)]
    expect(Math.max(...first) - Math.min(...first)).toBeGreaterThan(2)
    expect(first.indexOf(Math.max(...first))).not.toBe(second.indexOf(Math.max(...second)))
  })

  it('sends temperatures outside the range on both sides, and says so', () => {
    const records = sent(sensor({ outOfRange: 1 }), 1000)
    const temperatures = readings(records).map(({ temperature }) => temperature)
    expect(records.every(({ kind, deviated }) => kind === 'outOfRange' && deviated)).toBe(true)
    expect(readings(records).every(({ status }) => status === 'deviated')).toBe(true)
    expect(temperatures.every((temperature) => temperature < 50 || temperature > 55)).toBe(true)
    const below = temperatures.filter((temperature) => temperature < 50).length
    expect(below).toBeGreaterThan(400)
    expect(below).toBeLessThan(600)
  })

  it.each([
    [{ low: -273.15, high: -273 }],
    [{ low: 20, high: 20 }],
    [{ low: 20.001, high: 20.002 }],
    [{ low: -273.15, high: 1e6 }],
  ])('keeps to the range %j', (range) => {
    for (const { temperature } of readings(sent(sensor({}, range), 200))) {
      expect(temperature >= range.low && temperature <= range.high).toBe(true)
    }
    for (const { temperature } of readings(sent(sensor({ outOfRange: 1 }, range), 200))) {
      expect(temperature < range.low || temperature > range.high).toBe(true)
    }
  })

  it('draws late ones and repetitions within the slots given', () => {
    const records = sent(sensor({ late: 1, duplicate: 1 }), 500)
    const delays = new Set(records.map(({ delaySlots }) => delaySlots))
    const repeats = new Set(records.map(({ repeatSlots }) => repeatSlots))
    expect([...delays].sort()).toEqual([1, 2, 3, 4])
    expect([...repeats].sort()).toEqual([1, 2, 3, 4])
    expect(records.every(({ kind }) => kind === 'late')).toBe(true)
  })

  it('sends nothing where a reading is missing, at the rate given', () => {
    expect(sent(sensor({ missing: 1 }), 50)).toEqual([])
    const there = sent(sensor({ missing: 0.1 }), 20_000).length / 20_000
    expect(there).toBeGreaterThan(0.89)
    expect(there).toBeLessThan(0.91)
  })

  it('corrupts in seven ways, none of which is a reading', () => {
    const codes = new Map<string, number>()
    for (const record of sent(sensor({ corrupt: 1, late: 1, duplicate: 1 }), 1400)) {
      expect(record).toMatchObject({ kind: 'corrupt', deviated: false, delaySlots: 0, repeatSlots: 0 })
      expect(record.value).not.toContain('\n')
      let code = 'none'
      try {
        readFrom(readingSerde, Buffer.from(record.value))
      } catch (error) {
        code = (error as { code: string }).code
      }
      codes.set(code, (codes.get(code) ?? 0) + 1)
    }
    expect([...codes.keys()].sort()).toEqual([
      'EVENT_ID_MISSING',
      'RECORD_UNREADABLE',
      'SENSOR_ID_MISSING',
      'TEMPERATURE_IMPOSSIBLE',
      'TEMPERATURE_INVALID',
      'TIMESTAMP_INVALID',
    ])
    expect(Math.min(...codes.values())).toBeGreaterThan(140)
  })

  it('sends for a slot always the same, whatever was asked before', () => {
    const rates = { outOfRange: 0.3, missing: 0.3, late: 0.3, duplicate: 0.3, corrupt: 0.3 }
    const forward = sensor(rates)
    const expected = Array.from({ length: 300 }, (_, slot) => forward.send(slot))
    const backward = sensor(rates)
    for (let slot = 299; slot >= 0; slot--) expect(backward.send(slot)).toEqual(expected[slot])
  })
})
