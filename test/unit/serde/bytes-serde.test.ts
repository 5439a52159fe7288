import { describe, expect, it } from 'vitest'
import { bytesSerde } from '../../../src/serde/bytes-serde.ts'
import { readFrom } from '../../support/serde-bytes.ts'

describe('bytesSerde', () => {
  it('hands on the bytes themselves', () => {
    const bytes = Buffer.from([0, 255, 128])
    expect(bytesSerde.serialize(bytes)).toBe(bytes)
    expect(bytesSerde.sizeBound?.(bytes)).toBe(3)
  })

  it('reads a copy that outlives the buffer it came from', () => {
    const source = Buffer.from([1, 2, 3, 4])
    const read = bytesSerde.deserialize(source, 1, 3)
    source.fill(0)
    expect([...read]).toEqual([2, 3])
  })

  it('reads no bytes at all', () => {
    expect(readFrom(bytesSerde, new Uint8Array(0)).length).toBe(0)
  })

  it('refuses what is not a Buffer', () => {
    const text = 'abc' as unknown as Buffer
    expect(() => bytesSerde.serialize(text)).toThrow('bytes: expected a Buffer')
  })
})
