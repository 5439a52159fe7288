import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { aggregateKey, toAggregate } from '../../../src/sensors/aggregate.ts'
import { aggregateInvariants, type WindowFacts } from '../../../src/sensors/aggregate-invariants.ts'
import { isDeviated } from '../../../src/sensors/reading.ts'
import { addReading, emptyStatistics } from '../../../src/sensors/statistics.ts'

const RANGE = { low: 50, high: 55 }
const FACTS: WindowFacts = { windowMs: 600, advanceMs: 600, validRange: RANGE, newestReadingMs: 1_500 }

function broken(
  change: Readonly<Record<string, unknown>>,
  record: { key?: string; timestampMs?: number } = {},
) {
  const statistics = [51, 56, 52].reduce(
    (sum, reading) => addReading(sum, reading, isDeviated(reading, RANGE), false),
    emptyStatistics,
  )
  const fields = { ...toAggregate('s', 1_200, 1_800, statistics), ...change }
  const result = { key: aggregateKey('s', 1_200), timestampMs: 1_799, fields, ...record }
  return aggregateInvariants(FACTS)
    .filter((rule) => !rule.holds(result))
    .map(({ name }) => name)
}

describe('the invariants of aggregates', () => {
  it('hold for everything that the application computes', () => {
    const temperature = fc.double({ min: -200, max: 1_000, noNaN: true })
    fc.assert(
      fc.property(fc.array(temperature, { minLength: 1, maxLength: 30 }), (readings) => {
        const statistics = readings.reduce(
          (sum, reading) => addReading(sum, reading, isDeviated(reading, RANGE), false),
          emptyStatistics,
        )
        const fields = { ...toAggregate('s', 600, 1_200, statistics) }
        const result = { key: aggregateKey('s', 600), timestampMs: 1_199, fields }
        const violated = aggregateInvariants(FACTS).filter((rule) => !rule.holds(result))
        expect(violated.map(({ name }) => name)).toEqual([])
      }),
      { numRuns: 500, seed: 3 },
    )
  })

  it('are each broken by what they are about', () => {
    expect(broken({})).toEqual([])
    expect(broken({ mean: 57, sum: 171 })).toEqual(['min <= mean <= max'])
    expect(broken({ mean: 53.5 })).toEqual(['mean = sum / count'])
    expect(broken({ count: 0 })).toContain('count > 0')
    expect(broken({ count: 2.5 })).toContain('count > 0')
    expect(broken({ deviated: 4 })).toEqual(['deviated and synthetic are at most count'])
    expect(broken({ deviated: 0 })).toEqual(['deviated tells of the valid range'])
    expect(broken({ windowEnd: 1_801 })).toEqual([
      'the timestamp is windowEnd - 1',
      'windowEnd - windowStart is the window size',
    ])
    expect(broken({}, { timestampMs: 1_800 })).toEqual(['the timestamp is windowEnd - 1'])
    expect(broken({}, { key: 's@1201' })).toEqual(['the key is SENSOR@WINDOWSTART'])
    expect(broken({ min: null })).toContain('min <= mean <= max')
    expect(
      aggregateInvariants({ newestReadingMs: 1_199 })
        .filter((rule) => !rule.holds({ key: '', timestampMs: 0, fields: { windowStart: 1_200 } }))
        .map(({ name }) => name),
    ).toContain('no window begins after the newest reading')
  })
})
