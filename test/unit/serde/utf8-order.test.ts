import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compareUtf8 } from '../../../src/serde/utf8-order.ts'

const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))

describe('compareUtf8', () => {
  it('orders as the UTF-8 bytes do, for any two texts', () => {
    // Units around the surrogates, where UTF-16 and UTF-8 disagree, in texts that share long beginnings.
    const unit = fc.constantFrom(
      'a',
      '\u007f',
      '\u0080',
      '\ud7ff',
      '\ue000',
      '\uffff',
      '\u{10000}',
      '\u{1f600}',
      '\u{10ffff}',
    )
    const texts = fc.oneof(fc.string({ unit, maxLength: 5 }), fc.string({ unit: 'binary', maxLength: 5 }))
    fc.assert(
      fc.property(texts, texts, texts, (shared, a, b) => {
        expect(Math.sign(compareUtf8(shared + a, shared + b))).toBe(byBytes(shared + a, shared + b))
      }),
      { seed: 1, numRuns: 5000 },
    )
  })

  it('puts characters beyond U+FFFF last, where plain comparison does not', () => {
    expect('\u{10000}' < '\uffff').toBe(true)
    expect(compareUtf8('\u{10000}', '\uffff')).toBeGreaterThan(0)
  })

  it('puts a beginning before the whole', () => {
    expect(compareUtf8('a', 'ab')).toBeLessThan(0)
    expect(compareUtf8('', '')).toBe(0)
  })
})
