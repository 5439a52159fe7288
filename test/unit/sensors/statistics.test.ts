import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { roundedSum } from '../../../src/sensors/exact-sum.ts'
import {
  addReading,
  emptyStatistics,
  mergeStatistics,
  statisticsSerde,
  type Statistics,
} from '../../../src/sensors/statistics.ts'
import { rationalSum } from '../../support/rational-sum.ts'
import { bytesOf, readFrom, roundTrip } from '../../support/serde-bytes.ts'

interface Sample {
  readonly temperature: number
  readonly deviated: boolean
  readonly synthetic: boolean
}

const samples = fc.array(
  fc.record({
    temperature: fc.oneof(
      fc.integer({ min: -27315, max: 20000 }).map((hundredths) => hundredths / 100),
      fc.double({ noNaN: true, min: -273.15, max: 1.416784e32 }),
      fc.constantFrom(0, -0),
    ),
    deviated: fc.boolean(),
    synthetic: fc.boolean(),
  }),
  { maxLength: 20 },
)

const statisticsOf = (list: readonly Sample[]): Statistics =>
  list.reduce(
    (statistics, { temperature, deviated, synthetic }) =>
      addReading(statistics, temperature, deviated, synthetic),
    emptyStatistics,
  )
const hex = (statistics: Statistics): string => bytesOf(statisticsSerde, statistics).toString('hex')

describe('statistics', () => {
  it('are what plain arrays give', () => {
    fc.assert(
      fc.property(samples, (list) => {
        const statistics = statisticsOf(list)
        const temperatures = list.map(({ temperature }) => temperature)
        expect(statistics.count).toBe(list.length)
        expect(roundedSum(statistics.sum)).toBe(rationalSum(temperatures))
        expect(statistics.min === Math.min(...temperatures)).toBe(true)
        expect(statistics.max === Math.max(...temperatures)).toBe(true)
        expect(statistics.deviated).toBe(list.filter(({ deviated }) => deviated).length)
        expect(statistics.synthetic).toBe(list.filter(({ synthetic }) => synthetic).length)
      }),
      { seed: 1, numRuns: 1000 },
    )
  })

  it('have the same bytes in whatever order and parts the readings come', () => {
    const shuffles = samples.chain((list) =>
      fc.record({
        list: fc.constant(list),
        shuffled: fc.shuffledSubarray(list, { minLength: list.length }),
        cut: fc.nat(list.length),
      }),
    )
    fc.assert(
      fc.property(shuffles, ({ list, shuffled, cut }) => {
        const expected = hex(statisticsOf(list))
        expect(hex(statisticsOf(shuffled))).toBe(expected)
        const parts = [statisticsOf(shuffled.slice(0, cut)), statisticsOf(shuffled.slice(cut))] as const
        expect(hex(mergeStatistics(...parts))).toBe(expected)
        expect(hex(mergeStatistics(roundTrip(statisticsSerde, parts[1]), parts[0]))).toBe(expected)
      }),
      { seed: 2, numRuns: 1000 },
    )
  })

  it('never change', () => {
    const frozen: Statistics = Object.freeze({
      ...statisticsOf([{ temperature: 0.1, deviated: false, synthetic: false }]),
    })
    Object.freeze(frozen.sum)
    expect(addReading(frozen, 0.2, true, true).count).toBe(2)
    expect(emptyStatistics).toEqual({
      count: 0,
      sum: [],
      min: Infinity,
      max: -Infinity,
      deviated: 0,
      synthetic: 0,
    })
  })

  it('refuse what is no number', () => {
    expect(() => addReading(emptyStatistics, NaN, false, false)).toThrow(RangeError)
  })
})

describe('statisticsSerde', () => {
  it('writes the documented bytes', () => {
    const statistics: Statistics = {
      count: 300,
      sum: [2 ** -60, 1],
      min: 1,
      max: 2,
      deviated: 1,
      synthetic: 0,
    }
    const expected = [
      '01',
      'ac02',
      '01',
      '00',
      '3ff0000000000000',
      '4000000000000000',
      '02',
      '3c30000000000000',
      '3ff0000000000000',
    ]
    expect(hex(statistics)).toBe(expected.join(''))
  })

  it('reads what it wrote and stays within its bound', () => {
    fc.assert(
      fc.property(samples, fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }), (list, count) => {
        const statistics = { ...statisticsOf(list), count }
        const read = roundTrip(statisticsSerde, statistics)
        expect({ ...read, sum: roundedSum(read.sum) }).toEqual({
          ...statistics,
          sum: roundedSum(statistics.sum),
        })
        expect(bytesOf(statisticsSerde, statistics).length).toBeLessThanOrEqual(
          statisticsSerde.sizeBound?.(statistics) ?? -1,
        )
      }),
      { seed: 3, numRuns: 500 },
    )
  })

  it('takes 21 bytes for no readings and 29 for a few', () => {
    expect(bytesOf(statisticsSerde, emptyStatistics).length).toBe(21)
    expect(bytesOf(statisticsSerde, addReading(emptyStatistics, 52.5, false, false)).length).toBe(29)
  })

  it.each([
    ['nothing', '', 'format version undefined is not 1'],
    ['another version', '02000000', 'format version 2 is not 1'],
    ['a cut count', '0180', 'a count is cut or too long'],
    ['an endless count', '01808080808080808080', 'a count is cut or too long'],
    ['a cut end', '010000007ff0', 'the length is wrong'],
    ['a missing partial', `01000000${'00'.repeat(16)}01`, 'the length is wrong'],
    ['bytes behind the end', `01000000${'00'.repeat(16)}0000`, 'the length is wrong'],
  ])('refuses %s', (_what, bytes, message) => {
    expect(() => readFrom(statisticsSerde, Buffer.from(bytes, 'hex'))).toThrow(
      expect.objectContaining({ code: 'RECORD_UNREADABLE', message: `statistics: ${message}` }),
    )
  })
})
