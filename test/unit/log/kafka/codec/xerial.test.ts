import { compressSync } from 'snappy'
import { describe, expect, it } from 'vitest'
import { packXerial, unpackXerial } from '../../../../../src/log/kafka/codec/xerial.ts'

describe('framed snappy', () => {
  it('begins with its magic and two versions, and holds blocks of 32 KiB behind their lengths', () => {
    const packed = packXerial(Buffer.alloc(40_000, 'ab'))
    expect(packed.subarray(0, 16).toString('hex')).toBe('82534e41505059000000000100000001')
    const first = packed.readInt32BE(16)
    const second = packed.readInt32BE(20 + first)
    expect(20 + first + 4 + second).toBe(packed.length)
  })

  it('is unpacked to what was packed', () => {
    for (const size of [0, 1, 32_768, 32_769, 200_000]) {
      const plain = Buffer.from(Array.from({ length: size }, (_, i) => (i * i) % 251))
      expect(unpackXerial(packXerial(plain)).equals(plain)).toBe(true)
    }
  })

  it('may be bare, as clients in other languages send it', () => {
    expect(unpackXerial(compressSync(Buffer.from('plain text')))).toEqual(Buffer.from('plain text'))
  })

  it('is refused when a block is cut off', () => {
    expect(() => unpackXerial(packXerial(Buffer.from('text')).subarray(0, -1))).toThrow(RangeError)
  })
})
