import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AssertionError } from '../../../src/assert.ts'
import { decodeCarried, encodeCarried, type Carried } from '../../../src/runtime/carried-header.ts'

const time = fc.oneof(fc.constant(-Infinity), fc.integer({ min: -1_000, max: 8.64e15 }))
const carried: fc.Arbitrary<Carried> = fc.record({
  kind: fc.constantFrom(
    'record' as const,
    'watermark' as const,
    'idle' as const,
    'end-with-flush' as const,
    'end' as const,
  ),
  origin: fc.oneof(fc.nat(10), fc.constant(2 ** 32 - 1)),
  watermarkMs: time,
  mergeTimeMs: time,
  position: fc.oneof(fc.nat(10), fc.maxSafeNat()),
  run: fc.oneof(fc.nat(10), fc.constant(2 ** 32 - 1)),
})

describe('the carried header', () => {
  it('gives back what was put into it', () => {
    fc.assert(
      fc.property(carried, (all) => {
        expect(decodeCarried(encodeCarried(all))).toEqual(all)
      }),
      { seed: 421, numRuns: 500 },
    )
  })

  it('has the layout that is promised', () => {
    const bytes = encodeCarried({
      kind: 'idle',
      origin: 0x01020304,
      watermarkMs: 2,
      mergeTimeMs: -Infinity,
      position: 1,
      run: 7,
    })
    expect(bytes.toString('hex')).toBe(
      '02' + '01020304' + '4000000000000000' + 'fff0000000000000' + '3ff0000000000000' + '00000007',
    )
  })

  it('is refused in any other size', () => {
    for (const size of [0, 32, 34]) expect(() => decodeCarried(Buffer.alloc(size))).toThrow(AssertionError)
  })
})
