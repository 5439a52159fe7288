import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RecordError } from '../../../src/errors.ts'
import { decodeUtf8, isWellFormed } from '../../../src/serde/utf8.ts'

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function decodedByPlatform(bytes: Uint8Array): string | null {
  try {
    return strict.decode(bytes)
  } catch {
    return null
  }
}

function decoded(bytes: Uint8Array): string | null {
  const padded = Buffer.concat([Buffer.from([0xf0, 0x9f]), bytes, Buffer.from([0x98, 0x80])])
  try {
    return decodeUtf8('text', padded, 2, 2 + bytes.length)
  } catch (error) {
    expect(error).toBeInstanceOf(RecordError)
    expect(error).toMatchObject({ code: 'RECORD_UNREADABLE', message: 'text: the bytes are not valid UTF-8' })
    return null
  }
}

describe('decodeUtf8', () => {
  it('reads exactly what a fatal decoder reads, for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 12 }), (bytes) => {
        expect(decoded(bytes)).toBe(decodedByPlatform(bytes))
      }),
      { seed: 1, numRuns: 5000 },
    )
  })

  it('reads what was written, for any text that has UTF-8 bytes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(decoded(Buffer.from(text))).toBe(text)
      }),
      { seed: 2, numRuns: 1000 },
    )
  })

  it('accepts a replacement character that is really there', () => {
    expect(decoded(Buffer.from('a\ufffdb'))).toBe('a\ufffdb')
  })

  it.each([
    ['a cut sequence', [0x61, 0xc3]],
    ['an overlong form', [0xc0, 0xaf]],
    ['an encoded surrogate', [0xed, 0xa0, 0x80]],
    ['a value above U+10FFFF', [0xf4, 0x90, 0x80, 0x80]],
    ['a replacement character beside a bad byte', [0xef, 0xbf, 0xbd, 0xff]],
  ])('refuses %s', (_what, bytes) => {
    expect(decoded(Uint8Array.from(bytes))).toBeNull()
  })

  it('keeps a byte order mark', () => {
    expect(decoded(Buffer.from('\ufeffa'))).toBe('\ufeffa')
  })
})

describe('isWellFormed', () => {
  it.each([
    ['', true],
    ['abc', true],
    ['\u{1f600}', true],
    ['\ud83d', false],
    ['a\ude00b', false],
    ['\ude00\ud83d', false],
  ])('of %j is %s', (text, expected) => {
    expect(isWellFormed(text)).toBe(expected)
  })
})
