import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { stringSerde } from '../../../src/serde/string-serde.ts'
import { bytesOf, readFrom, roundTrip } from '../../support/serde-bytes.ts'

describe('stringSerde', () => {
  it('reads what it wrote and stays within its bound', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(roundTrip(stringSerde, text)).toBe(text)
        expect(bytesOf(stringSerde, text).length).toBeLessThanOrEqual(stringSerde.sizeBound?.(text) ?? -1)
      }),
      { seed: 1 },
    )
  })

  it('writes UTF-8', () => {
    expect(bytesOf(stringSerde, 'é\u{1f600}').toString('hex')).toBe('c3a9f09f9880')
    expect(bytesOf(stringSerde, '').length).toBe(0)
  })

  it('refuses a lone surrogate, which would collide with other texts', () => {
    expect(() => stringSerde.serialize('a\ud800')).toThrow('string: the text has a lone surrogate')
  })

  it('refuses what is not text', () => {
    expect(() => stringSerde.serialize(null as unknown as string)).toThrow('string: expected text, got null')
    expect(() => stringSerde.serialize(7 as unknown as string)).toThrow('string: expected text, got number')
  })

  it('refuses bytes that are not UTF-8', () => {
    expect(() => readFrom(stringSerde, Uint8Array.of(0x61, 0xff))).toThrow(
      'string: the bytes are not valid UTF-8',
    )
  })
})
