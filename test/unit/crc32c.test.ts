import { describe, expect, it } from 'vitest'
import { crc32c } from '../../src/crc32c.ts'
import { slowCrc32c } from '../support/reference-batch.ts'

describe('crc32c', () => {
  it('gives the check value of the CRC catalogue', () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283)
  })

  it('gives the vectors of RFC 3720', () => {
    expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa)
    expect(crc32c(Buffer.alloc(32, 0xff))).toBe(0x62a8ab43)
    expect(crc32c(Buffer.from(Array.from({ length: 32 }, (_, i) => i)))).toBe(0x46dd794e)
  })

  it('agrees with the bitwise definition at every length and start', () => {
    const bytes = Buffer.from(Array.from({ length: 130 }, (_, i) => (i * 73 + 11) & 0xff))
    for (let start = 0; start < 20; start += 1) {
      for (let end = start; end <= bytes.length; end += 1) {
        expect(crc32c(bytes, start, end)).toBe(slowCrc32c(bytes.subarray(start, end)))
      }
    }
  })

  it('reads a view of a larger buffer at the right place', () => {
    const whole = Buffer.from('xxxxx123456789yyyyy')
    expect(crc32c(whole.subarray(5, 14))).toBe(0xe3069283)
  })
})
