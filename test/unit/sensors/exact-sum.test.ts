import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  ADDEND_MAX,
  addExact,
  canonicalPartials,
  mergeExact,
  NO_PARTIALS,
  PARTIALS_MAX,
  roundedSum,
} from '../../../src/sensors/exact-sum.ts'
import { inSmallestUnits, rationalSum } from '../../support/rational-sum.ts'

const partialsOf = (values: Iterable<number>): readonly number[] => {
  let partials = NO_PARTIALS
  for (const value of values) partials = addExact(partials, value)
  return partials
}
const exactly = (partials: readonly number[]): bigint =>
  partials.reduce((units, partial) => units + inSmallestUnits(partial), 0n)

/** Doubles of all magnitudes, chosen so that sums cancel, tie and reach into the subnormal numbers. */
const awkward = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true, min: -ADDEND_MAX, max: ADDEND_MAX }),
  fc.tuple(fc.constantFrom(1, -1, 3, -3), fc.integer({ min: -1074, max: 968 })).map(([m, e]) => m * 2 ** e),
  fc.tuple(fc.constantFrom(1, -1), fc.integer({ min: -60, max: 60 })).map(([sign, e]) => sign * 2 ** e),
  fc.integer({ min: -30000, max: 600000 }).map((hundredths) => hundredths / 100),
  fc.constantFrom(0, -0, 5e-324, -5e-324, 2 ** -1022, 2 ** 53, 2 ** 53 + 2, -(2 ** 53), 1, -1),
)
const lists = fc.array(awkward, { maxLength: 30 })

function* permutations<T>(items: readonly T[]): Generator<readonly T[]> {
  if (items.length === 0) yield []
  for (let i = 0; i < items.length; i++) {
    for (const rest of permutations(items.filter((_, at) => at !== i))) yield [items[i] as T, ...rest]
  }
}

describe('an exact sum', () => {
  it('is the correctly rounded rational sum, for any numbers', () => {
    fc.assert(
      fc.property(lists, (values) => {
        expect(Object.is(roundedSum(partialsOf(values)), rationalSum(values))).toBe(true)
      }),
      { seed: 1, numRuns: 5000 },
    )
  })

  it('loses nothing: its partials add up to the very sum', () => {
    fc.assert(
      fc.property(lists, (values) => {
        const units = values.reduce((sum, value) => sum + inSmallestUnits(value), 0n)
        expect(exactly(partialsOf(values))).toBe(units)
      }),
      { seed: 2, numRuns: 1000 },
    )
  })

  it('is the same in every order of addition, down to the canonical partials', () => {
    const values = [0.1, 1e100, -0.3, 2 ** -1074, -1e100, 53.27]
    const expected = canonicalPartials(partialsOf(values))
    let orders = 0
    for (const order of permutations(values)) {
      expect(canonicalPartials(partialsOf(order))).toEqual(expected)
      orders++
    }
    expect(orders).toBe(720)
  })

  it('is the same however it was cut into parts and merged', () => {
    fc.assert(
      fc.property(lists, lists, lists, (a, b, c) => {
        const whole = canonicalPartials(partialsOf([...a, ...b, ...c]))
        const [pa, pb, pc] = [partialsOf(a), partialsOf(b), partialsOf(c)]
        expect(canonicalPartials(mergeExact(mergeExact(pa, pb), pc))).toEqual(whole)
        expect(canonicalPartials(mergeExact(pc, mergeExact(canonicalPartials(pb), pa)))).toEqual(whole)
      }),
      { seed: 3, numRuns: 1000 },
    )
  })

  it.each([
    ['nothing', [], 0],
    ['decimals, where plain addition gives 0.9999999999999999', Array<number>(10).fill(0.1), 1],
    ['a cancellation', [1e16, 1, -1e16], 1],
    ['two halves of an ulp, which no pairwise addition sees', [1, 2 ** -53, 2 ** -53], 1 + 2 ** -52],
    ['a tie, to even', [1, 2 ** -53], 1],
    ['a tie, to even upward', [1 + 2 ** -52, 2 ** -53], 1 + 2 ** -51],
    ['a tie that the smallest part decides upward', [1, 2 ** -53, 2 ** -106], 1 + 2 ** -52],
    ['a tie that the smallest part decides downward', [1 + 2 ** -52, 2 ** -53, -(2 ** -106)], 1 + 2 ** -52],
    ['a negative tie that the smallest part decides', [-1, -(2 ** -53), -(2 ** -106)], -1 - 2 ** -52],
    ['subnormal numbers', [5e-324, 5e-324, 5e-324], 1.5e-323],
    ['a sum back to nothing', [0.1, 0.2, -0.2, -0.1], 0],
    ['negative zeros', [-0, -0], 0],
    ['a fall to negative zero', [-1e-300, 1e-300], 0],
  ])('of %s is right', (_what, values, expected) => {
    expect(Object.is(roundedSum(partialsOf(values)), expected)).toBe(true)
  })

  it('stays finite for the largest numbers in any order', () => {
    const values = [ADDEND_MAX, ADDEND_MAX, -ADDEND_MAX, ADDEND_MAX, 1, -ADDEND_MAX, -ADDEND_MAX]
    expect(roundedSum(partialsOf(values))).toBe(1)
  })

  it.each([[NaN], [Infinity], [-Infinity], [Number.MAX_VALUE], [-(2 ** 970) * (1 + 2 ** -52)]])(
    'refuses %d',
    (value) => {
      expect(() => addExact([1], value)).toThrow(RangeError)
    },
  )

  it('does not change the lists it was made from', () => {
    const frozen = Object.freeze([2 ** -60, 1])
    expect(addExact(frozen, 0)).toBe(frozen)
    addExact(frozen, 0.1)
    mergeExact(frozen, frozen)
    canonicalPartials(frozen)
    expect(frozen).toEqual([2 ** -60, 1])
  })
})

describe('canonical partials', () => {
  it('are the rounded sum, the rounded rest, and so on', () => {
    fc.assert(
      fc.property(lists, (values) => {
        const canonical = canonicalPartials(partialsOf(values))
        let units = values.reduce((sum, value) => sum + inSmallestUnits(value), 0n)
        for (const partial of [...canonical].reverse()) {
          expect(partial).toBe(rationalSum(canonical.slice(0, canonical.indexOf(partial) + 1)))
          units -= inSmallestUnits(partial)
        }
        expect(units).toBe(0n)
        expect(canonical.length).toBeLessThanOrEqual(PARTIALS_MAX)
        expect(canonicalPartials(canonical)).toEqual(canonical)
      }),
      { seed: 4, numRuns: 1000 },
    )
  })

  it('are few for a sum that two doubles can say, and one for each 53 bits that none can', () => {
    const everyPower = Array.from({ length: 2045 }, (_, i) => 2 ** (i - 1074))
    expect(canonicalPartials(partialsOf(everyPower))).toEqual([-5e-324, 2 ** 971])
    const spread = Array.from({ length: 37 }, (_, i) => 2 ** (54 * i - 1020) * (1 + 2 ** -52))
    expect(canonicalPartials(partialsOf(spread))).toEqual(spread)
  })

  it('replace partials that overlap in meaning', () => {
    expect(canonicalPartials([1, 2 ** 53])).toEqual([1, 2 ** 53])
    expect(canonicalPartials([2, 2 ** 53])).toEqual([2 ** 53 + 2])
  })
})
