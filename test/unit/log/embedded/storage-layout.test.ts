import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { keyOf, numberOfKey, rangeOf, textOfKey } from '../../../../src/log/embedded/storage-layout.ts'

const offset = fc.maxSafeNat()
const number = fc.nat({ max: 2 ** 32 - 1 })

describe('the storage layout', () => {
  it('sorts batches by partition and offset', () => {
    fc.assert(
      fc.property(number, offset, number, offset, (n1, o1, n2, o2) => {
        const expected = n1 !== n2 ? Math.sign(n1 - n2) : Math.sign(o1 - o2)
        expect(Buffer.compare(keyOf.data(n1, o1), keyOf.data(n2, o2))).toBe(expected)
        expect(Buffer.compare(keyOf.index(n1, o1), keyOf.index(n2, o2))).toBe(expected)
      }),
      { seed: 41 },
    )
  })

  it('bounds the batches of a partition by its ranges', () => {
    fc.assert(
      fc.property(number, offset, offset, offset, (n, base, a, b) => {
        const [from, to] = [Math.min(a, b), Math.max(a, b)]
        for (const kind of ['index', 'data'] as const) {
          const range = rangeOf[kind](n, from, to)
          const key = keyOf[kind](n, base)
          const inside = Buffer.compare(key, range.from) >= 0 && Buffer.compare(key, range.to) < 0
          expect(inside).toBe(base >= from && base < to)
        }
      }),
      { seed: 42 },
    )
  })

  it('keeps the kinds of keys apart', () => {
    const keys = [
      keyOf.meta('format'),
      keyOf.topic('t'),
      keyOf.partition(1),
      keyOf.index(1, 2),
      keyOf.data(1, 2),
      keyOf.transactionalId('x'),
      keyOf.group('g'),
      keyOf.groupOffset('g', 't', 0),
      keyOf.garbage(1),
    ]
    expect(keys.map((key) => key[0])).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8])
    for (const key of keys) {
      expect(Buffer.compare(key, rangeOf.everything.from) >= 0).toBe(true)
      expect(Buffer.compare(key, rangeOf.everything.to) < 0).toBe(true)
    }
    expect([numberOfKey(keyOf.garbage(7)), textOfKey(keyOf.group('grüppe'))]).toEqual([7, 'grüppe'])
  })
})
