import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DEAD_LETTER } from '../../../src/runtime/header-names.ts'
import { failedBy, isTaken, letterOf, textsOf } from '../../support/dead-letters.ts'

describe('a dead letter that is too large', () => {
  const value = Buffer.from('0123456789'.repeat(20_000))

  it('keeps its headers, the size and SHA-256 of the value, and cuts the value', () => {
    const headers = [{ key: 'unit', value: Buffer.from('K') }]
    const letter = letterOf({ offset: 7, key: 'k', value, headers }, 150_000)
    const texts = textsOf(letter.headers)
    expect(texts).toMatchObject({
      unit: 'K',
      [DEAD_LETTER.topic]: 'readings',
      [DEAD_LETTER.code]: 'VALUE_MISSING',
    })
    expect(texts[DEAD_LETTER.valueBytes]).toBe('200000')
    expect(texts[DEAD_LETTER.valueSha256]).toBe(createHash('sha256').update(value).digest('hex'))
    expect(letter.key).toEqual(Buffer.from('k'))
    expect(letter.value).toEqual(value.subarray(0, letter.value!.length))
    expect(letter.value!.length).toBe(64 * 1024)
    expect(isTaken(letter, 150_000)).toBe(true)
  })

  it('says nothing of size and SHA-256 where nothing was cut', () => {
    const texts = textsOf(letterOf({ offset: 7, key: 'k', value }, 250_000).headers)
    expect([texts[DEAD_LETTER.valueBytes], texts[DEAD_LETTER.valueSha256]]).toEqual([undefined, undefined])
  })

  it('leaves a value that is null what it is: a tombstone must not become an empty value', () => {
    const letter = letterOf({ offset: 7, key: Buffer.alloc(40_000), value: null }, 20_000)
    expect(letter.value).toBeNull()
  })

  it('is taken however large key, value and headers of the record are', () => {
    // Sizes, not bytes: a counterexample should be readable.
    const size = fc.option(fc.nat(60_000))
    const header = fc.record({ name: fc.string({ unit: 'grapheme', maxLength: 10 }), size: fc.nat(30_000) })
    const bytesOf = (count: number | null): Buffer | null => (count === null ? null : Buffer.alloc(count))
    fc.assert(
      fc.property(size, size, fc.array(header, { maxLength: 6 }), (keySize, valueSize, all) => {
        const headers = all.map((one) => ({ key: one.name, value: Buffer.alloc(one.size) }))
        const record = { offset: 7, key: bytesOf(keySize), value: bytesOf(valueSize), headers }
        const letter = letterOf(record, 40_000)
        expect(isTaken(letter, 40_000)).toBe(true)
        const texts = textsOf(letter.headers)
        expect([texts[DEAD_LETTER.topic], texts[DEAD_LETTER.offset]]).toEqual(['readings', '7'])
      }),
      { seed: 461, numRuns: 300 },
    )
  })

  it('keeps where it came from before a stack trace, and a stack trace before foreign headers', () => {
    const headers = [{ key: 'foreign', value: Buffer.alloc(3_000) }]
    const error = new Error('why')
    error.stack = 's'.repeat(4_000)
    const texts = textsOf(letterOf({ offset: 7, key: 'k', value, headers }, 4_000, failedBy(error)).headers)
    expect(texts[DEAD_LETTER.offset]).toBe('7')
    expect(texts[DEAD_LETTER.message]).toBe('why')
    expect(texts[DEAD_LETTER.stacktrace]!.length).toBeGreaterThan(500)
    expect(texts).not.toHaveProperty('foreign')
  })

  it('is taken where records may be as small as the configuration allows', () => {
    const error = new Error('ä'.repeat(5_000))
    expect(isTaken(letterOf({ offset: 7, key: 'k', value }, 1_024, failedBy(error)), 1_024)).toBe(true)
  })
})
