import { describe, expect, it } from 'vitest'
import {
  aggregateKey,
  aggregateSerde,
  parseAggregateKey,
  toAggregate,
} from '../../../src/sensors/aggregate.ts'
import { addReading, emptyStatistics } from '../../../src/sensors/statistics.ts'
import { bytesOf, roundTrip } from '../../support/serde-bytes.ts'

const ofTenths = (count: number): typeof emptyStatistics => {
  let statistics = emptyStatistics
  for (let i = 0; i < count; i++) statistics = addReading(statistics, 0.1, i % 2 === 0, i === 0)
  return statistics
}

describe('toAggregate', () => {
  it('gives the published fields, in order, with a correctly rounded sum', () => {
    const aggregate = toAggregate('s1', 600_000, 1_200_000, ofTenths(10))
    expect(JSON.stringify(aggregate)).toBe(
      '{"sensorId":"s1","windowStart":600000,"windowEnd":1200000,"count":10,' +
        '"sum":1,"min":0.1,"max":0.1,"mean":0.1,"deviated":5,"synthetic":1}',
    )
  })

  it('needs a reading', () => {
    expect(() => toAggregate('s1', 0, 1, emptyStatistics)).toThrow(RangeError)
  })
})

describe('aggregateSerde', () => {
  it('writes the fields in one order however the value was built', () => {
    const aggregate = toAggregate('é', 0, 1000, ofTenths(3))
    const reversed = Object.fromEntries(Object.entries(aggregate).reverse()) as unknown as typeof aggregate
    expect(bytesOf(aggregateSerde, reversed)).toEqual(Buffer.from(JSON.stringify(aggregate)))
    expect(roundTrip(aggregateSerde, aggregate)).toEqual(aggregate)
    expect(aggregateSerde.name).toBe('aggregate')
  })
})

describe('an aggregate key', () => {
  it.each([
    ['s1', 0, 's1@0'],
    ['a@b', 1_386_018_600_000, 'a@b@1386018600000'],
    ['@', 5, '@@5'],
    ['__proto__', 1, '__proto__@1'],
  ])('of %s and %d is %s, and is read back', (sensorId, windowStart, key) => {
    expect(aggregateKey(sensorId, windowStart)).toBe(key)
    expect(parseAggregateKey(key)).toEqual({ sensorId, windowStart })
  })

  it.each([
    '',
    's1',
    '@5',
    's1@',
    's1@ 5',
    's1@05',
    's1@-0',
    's1@1.5',
    's1@1e3',
    's1@x',
    's1@9007199254740993',
  ])('is not %j', (key) => {
    expect(() => parseAggregateKey(key)).toThrow(expect.objectContaining({ code: 'AGGREGATE_KEY_INVALID' }))
  })
})
