import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { mergeTimeMs, precedesAllOf } from '../../../src/time/canonical-order.ts'

describe('mergeTimeMs', () => {
  it('is the watermark after the record: the running maximum of event times less the out-of-orderness', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1, maxLength: 30 }),
        fc.integer({ min: 0, max: 20 }),
        (timesMs, outOfOrdernessMs) => {
          let watermarkMs = -Infinity
          timesMs.forEach((timeMs, index) => {
            watermarkMs = mergeTimeMs(watermarkMs, timeMs, outOfOrdernessMs)
            expect(watermarkMs + outOfOrdernessMs).toBe(Math.max(...timesMs.slice(0, index + 1)))
          })
        },
      ),
      { seed: 21, numRuns: 500 },
    )
  })

  it('never lies below the watermark before the record', () => {
    expect(mergeTimeMs(100, 40, 0)).toBe(100)
    expect(mergeTimeMs(100, 105, 10)).toBe(100)
    expect(mergeTimeMs(100, 111, 10)).toBe(101)
  })

  it('is the watermark before it for a record without usable event time', () => {
    expect(mergeTimeMs(100, undefined, 10)).toBe(100)
    expect(mergeTimeMs(-Infinity, undefined, 10)).toBe(-Infinity)
  })

  it('may be negative where out-of-orderness is larger than the time', () => {
    expect(mergeTimeMs(-Infinity, 3, 10)).toBe(-7)
  })
})

describe('precedesAllOf', () => {
  /** Whatever the other channel can still deliver has a merge time of at least its watermark. */
  function comesFirst(head: number, channel: number, watermark: number, other: number): boolean {
    const possible = [watermark, watermark + 1, watermark + 50]
    return possible.every((later) => head < later || (head === later && channel < other))
  }

  it('holds when the head comes before everything the other channel can deliver', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 10 }),
        fc.nat(3),
        fc.integer({ min: 0, max: 10 }),
        fc.nat(3),
        (head, channel, watermark, other) => {
          fc.pre(channel !== other)
          expect(precedesAllOf(head, channel, watermark, other)).toBe(
            comesFirst(head, channel, watermark, other),
          )
        },
      ),
      { seed: 22, numRuns: 1000 },
    )
  })

  it('breaks a tie by the number of the channel', () => {
    expect(precedesAllOf(5, 0, 5, 1)).toBe(true)
    expect(precedesAllOf(5, 1, 5, 0)).toBe(false)
  })

  it('is false against a channel of which nothing is known', () => {
    expect(precedesAllOf(5, 0, -Infinity, 1)).toBe(false)
    expect(precedesAllOf(-Infinity, 1, -Infinity, 0)).toBe(false)
  })
})
