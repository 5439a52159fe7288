import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CorruptedStateError } from '../../../src/errors.ts'
import { seal, unseal } from '../../../src/state/envelope.ts'

const keys = fc.uint8Array({ minLength: 1, maxLength: 12 }).map((bytes) => Buffer.from(bytes))
const values = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.from(bytes)),
)
const times = fc.constantFrom(0, 1, -1, 1_704_067_200_000, 8.64e15)

describe('an envelope', () => {
  it('gives back time and value', () => {
    fc.assert(
      fc.property(keys, times, values, (key, timestampMs, value) => {
        const sealed = seal(key, timestampMs, value)
        const opened = unseal(key, sealed)
        expect(opened.timestampMs).toBe(timestampMs)
        expect(opened.buffer.subarray(opened.start)).toEqual(Buffer.from(value as string))
      }),
      { seed: 231, numRuns: 500 },
    )
  })

  it('has the layout that is promised: CRC-32 of key, time and value, then time, then value', () => {
    const sealed = seal(Buffer.from('k'), 2, 'v')
    expect(sealed.subarray(4).toString('hex')).toBe('400000000000000076')
    // CRC-32 (IEEE) of "k", the float64 2 and "v", computed by Python's binascii.crc32.
    expect(sealed.readUInt32BE(0)).toBe(0xad7940ff)
  })

  it('finds any change of any byte, of the entry or of its key', () => {
    fc.assert(
      fc.property(keys, values, fc.nat(), fc.integer({ min: 1, max: 255 }), (key, value, at, by) => {
        const sealed = seal(key, 5, value)
        const both = Buffer.concat([key, sealed])
        both[at % both.length]! ^= by
        const changed = () => unseal(both.subarray(0, key.length), both.subarray(key.length))
        expect(changed).toThrow(CorruptedStateError)
      }),
      { seed: 232, numRuns: 1000 },
    )
  })

  it('finds an entry that was cut, or that lies under another key', () => {
    const key = Buffer.from('key')
    const sealed = seal(key, 5, 'value')
    for (let length = 0; length < sealed.length; length++)
      expect(() => unseal(key, sealed.subarray(0, length))).toThrow(CorruptedStateError)
    expect(() => unseal(Buffer.from('kez'), sealed)).toThrow(
      expect.objectContaining({ code: 'STATE_DAMAGED', message: expect.stringContaining('6b657a') }),
    )
  })
})
