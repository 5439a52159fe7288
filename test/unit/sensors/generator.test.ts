import { describe, expect, it } from 'vitest'
import { ConfigError } from '../../../src/errors.ts'
import {
  DEFAULT_RATES,
  ReadingGenerator,
  type GeneratedKind,
  type GeneratedRecord,
  type GeneratorOptions,
} from '../../../src/sensors/generator.ts'
import { isDeviated, parseReading } from '../../../src/sensors/reading.ts'

const busy: GeneratorOptions = {
  sensors: 7,
  periodMs: 1000,
  startMs: 1_700_000_000_000,
  seed: 42,
  lateSlots: 5,
  rates: { outOfRange: 0.1, missing: 0.1, late: 0.1, duplicate: 0.1, corrupt: 0.05 },
}
const all = (options: GeneratorOptions): GeneratedRecord[] => [...new ReadingGenerator(options)]
const ofKind = (records: readonly GeneratedRecord[], ...kinds: GeneratedKind[]): GeneratedRecord[] =>
  records.filter(({ kind }) => kinds.includes(kind))

describe('ReadingGenerator', () => {
  it('makes the same records from the same options, others from another seed', () => {
    expect(all({ ...busy, slots: 100 })).toEqual(all({ ...busy, slots: 100 }))
    expect(all({ ...busy, slots: 100 })).not.toEqual(all({ ...busy, slots: 100, seed: 43 }))
  })

  it('goes on from any slot as if it had not stopped', () => {
    const whole = all({ ...busy, slots: 40 })
    for (let cut = 0; cut <= 40; cut++) {
      const first = new ReadingGenerator({ ...busy, slots: cut })
      const records = [...first]
      expect(first.slot).toBe(cut)
      records.push(...all({ ...busy, fromSlot: first.slot, slots: 40 - cut }))
      expect(records).toEqual(whole)
    }
  })

  it('does not change the readings of a sensor when others are added', () => {
    const few = all({ ...busy, slots: 50 }).filter(({ key }) => key === 'sensor-0003')
    const many = all({ ...busy, sensors: 30, slots: 50 }).filter(({ key }) => key === 'sensor-0003')
    expect(few.length).toBeGreaterThan(30)
    expect(many).toEqual(few)
  })

  it('hands out readings in time slot by slot, and behind them what is late', () => {
    let newest = 0
    let behind = 0
    for (const { timestampMs, kind } of all({ ...busy, slots: 200 })) {
      if (kind === 'late' || kind === 'duplicate') {
        expect(timestampMs).toBeLessThan(newest)
        expect(timestampMs).toBeGreaterThanOrEqual(newest - 2 * 5 * 1000)
        behind++
      } else {
        expect(timestampMs).toBeGreaterThanOrEqual(newest)
        newest = timestampMs
      }
    }
    expect(behind).toBeGreaterThan(100)
  })

  it('repeats earlier records exactly, and nothing else twice', () => {
    const seen = new Set<string>()
    for (const { value, kind } of all({ ...busy, slots: 300 })) {
      expect(seen.has(value)).toBe(kind === 'duplicate')
      seen.add(value)
    }
  })

  it('makes readings with unique event ids, keyed by sensor, at their time', () => {
    const readings = ofKind(all({ ...busy, slots: 300 }), 'normal', 'outOfRange', 'late').map((record) => {
      const reading = parseReading(JSON.parse(record.value))
      expect([reading.sensorId, reading.timestamp]).toEqual([record.key, record.timestampMs])
      return reading
    })
    expect(new Set(readings.map(({ eventId }) => eventId)).size).toBe(readings.length)
  })

  it('counts what it hands out', () => {
    const generator = new ReadingGenerator({ ...busy, slots: 300 })
    const records = [...generator]
    const count = (kind: GeneratedKind): number => ofKind(records, kind).length
    const deviated = ofKind(records, 'normal', 'outOfRange', 'late').filter(({ value }) =>
      isDeviated(parseReading(JSON.parse(value)).temperature, { low: 50, high: 55 }),
    )
    const inTime = count('normal') + count('outOfRange') + count('corrupt')
    const summary = generator.summary
    expect(summary).toEqual({
      records: records.length,
      normal: count('normal'),
      outOfRange: count('outOfRange'),
      late: count('late'),
      duplicate: count('duplicate'),
      corrupt: count('corrupt'),
      deviated: deviated.length,
      missing: summary.missing,
    })
    expect(summary.deviated).toBeGreaterThan(summary.outOfRange)
    // Every slot of every sensor is in time, missing, late and there, or late and still on its way.
    const onTheWay = 7 * 300 - inTime - summary.missing - summary.late
    expect(onTheWay).toBeGreaterThanOrEqual(0)
    expect(onTheWay).toBeLessThanOrEqual(7 * 5)
  })

  it('keeps to the rates, by default the documented ones', () => {
    expect(DEFAULT_RATES).toEqual({
      outOfRange: 0.05,
      missing: 0.1,
      late: 0.01,
      duplicate: 0.01,
      corrupt: 0.001,
    })
    const slots = 400
    const generator = new ReadingGenerator({ sensors: 500, periodMs: 60_000, startMs: 0, seed: 1, slots })
    for (const record of generator) expect(record.key).toMatch(/^sensor-0\d{3}$/)
    const { summary } = generator
    const total = 500 * slots
    const near = (count: number, rate: number): void => {
      const deviation = Math.sqrt(total * rate * (1 - rate))
      expect(Math.abs(count - total * rate)).toBeLessThan(5 * deviation + 0.03 * total * rate)
    }
    near(summary.missing, 0.1)
    near(summary.deviated, 0.9 * 0.05)
    near(summary.late, 0.9 * 0.01)
    near(summary.duplicate, 0.9 * 0.01)
    near(summary.corrupt, 0.9 * 0.001)
  })

  it('stops after a number of records', () => {
    const generator = new ReadingGenerator({ ...busy, records: 100 })
    expect([...generator].length).toBe(100)
    expect(all({ ...busy, records: 100 })).toEqual(all({ ...busy, slots: 100 }).slice(0, 100))
    expect(all({ ...busy, records: 0 })).toEqual([])
  })

  it('goes on for ever without a limit, until event times end', () => {
    let count = 0
    for (const { timestampMs } of new ReadingGenerator({ ...busy, sensors: 1 })) {
      expect(timestampMs).toBeGreaterThanOrEqual(busy.startMs)
      if (++count === 5000) break
    }
    const none = { outOfRange: 0, missing: 0, late: 0, duplicate: 0, corrupt: 0 }
    const last = all({ ...busy, sensors: 1, rates: none, periodMs: 10, startMs: 8.64e15 - 25 })
    expect(last.map(({ timestampMs }) => 8.64e15 - timestampMs)).toEqual([25, 15, 5])
  })

  it('gives readings of another valid range other event ids', () => {
    const ids = (options: GeneratorOptions): Set<string> =>
      new Set(
        ofKind(all({ ...options, slots: 20 }), 'normal').map(
          ({ value }) => parseReading(JSON.parse(value)).eventId,
        ),
      )
    const other = ids({ ...busy, validRange: { low: 60, high: 65 } })
    expect([...ids(busy)].filter((id) => other.has(id))).toEqual([])
    expect([...ids(busy)].filter((id) => ids({ ...busy, seed: 43 }).has(id))).toEqual([])
  })

  it('names every option that makes no sense', () => {
    const options: GeneratorOptions = {
      sensors: 0,
      periodMs: 1.5,
      startMs: -1,
      seed: -1,
      lateSlots: 0,
      fromSlot: -1,
      slots: NaN,
      records: -1,
      rates: { late: 1.5 },
      validRange: { low: 5, high: 4 },
    }
    let problems: readonly string[] = []
    try {
      new ReadingGenerator(options)
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      problems = error.problems
    }
    expect(problems).toEqual([
      'sensors must be a whole number between 1 and 1000000, but is 0',
      'periodMs must be a whole number between 1 and 8640000000000000, but is 1.5',
      'startMs must be a whole number between 0 and 8640000000000000, but is -1',
      'seed must be a whole number between 0 and 9007199254740991, but is -1',
      'lateSlots must be a whole number between 1 and 100000, but is 0',
      'fromSlot must be a whole number between 0 and 8640000000000000, but is -1',
      'slots must be a whole number between 0 and 9007199254740991, but is NaN',
      'records must be a whole number between 0 and 9007199254740991, but is -1',
      'the rate late must be between 0 and 1, but is 1.5',
      'validRange must lie in [-273.15, 1000000], low <= high, but is 5..4',
    ])
    expect(() => new ReadingGenerator({ ...busy, validRange: { low: -300, high: 0 } })).toThrow(ConfigError)
  })
})
