import { describe, expect, it } from 'vitest'
import { murmur2, partitionForKey } from '../../../src/log/partitioner.ts'

describe('partitioner', () => {
  it('gives the hashes that the Java client is tested with', () => {
    const vectors: [string, number][] = [
      ['21', -973932308],
      ['foobar', -790332482],
      ['a-little-bit-long-string', -985981536],
      ['a-little-bit-longer-string', -1486304829],
      ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
      ['abc', 479470107],
    ]
    for (const [text, hash] of vectors) expect(murmur2(Buffer.from(text))).toBe(hash)
  })

  it('clears the sign bit before it divides', () => {
    expect(partitionForKey('21', 4)).toBe((-973932308 & 0x7fffffff) % 4)
    expect(partitionForKey('21', 1)).toBe(0)
  })

  it('treats a string as its UTF-8 bytes at every length', () => {
    for (const text of [
      '',
      'a',
      'ab',
      'abc',
      'abcd',
      'grün',
      '温度',
      '🌡️',
      'x'.repeat(127),
      'é'.repeat(500),
    ]) {
      expect(partitionForKey(text, 1000)).toBe((murmur2(Buffer.from(text)) & 0x7fffffff) % 1000)
    }
  })
})
