import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteReader } from '../../../../../src/log/kafka/wire/byte-reader.ts'
import { ByteWriter } from '../../../../../src/log/kafka/wire/byte-writer.ts'

describe('the primitive types', () => {
  it('stand as the protocol says', () => {
    const writer = new ByteWriter(1)
      .int8(-1)
      .int16(258)
      .int32(-2)
      .int64(1n)
      .uvarint(300)
      .string('ü')
      .string(null)
    writer
      .byteString(Buffer.from([7]))
      .array([1, 2], (w, item) => w.int8(item))
      .tags()
      .shortString('ab')
    const expected = [
      'ff',
      '0102',
      'fffffffe',
      '0000000000000001',
      'ac02',
      '03c3bc',
      '00',
      '0207',
      '030102',
      '00',
      '00026162',
    ]
    expect(writer.written().toString('hex')).toBe(expected.join(''))
  })

  it('are read as they were written', () => {
    const numbers = fc.record({
      u: fc.nat(0xffff_ffff >>> 4),
      l: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    })
    const texts = fc.array(fc.option(fc.string({ unit: 'binary', maxLength: 300 })))
    fc.assert(
      fc.property(numbers, texts, fc.uint8Array({ maxLength: 300 }), ({ u, l }, list, bytes) => {
        const writer = new ByteWriter(1)
          .uvarint(u)
          .int64(l)
          .array(list, (w, text) => w.string(text))
        const written = writer.byteString(bytes).tags().int16(-5).written()
        const reader = new ByteReader(written)
        expect([reader.uvarint(), reader.int64()]).toEqual([u, l])
        expect(reader.array((r) => r.nullableString())).toEqual(list)
        expect(new Uint8Array(reader.byteString())).toEqual(bytes)
        expect(reader.tags().int16()).toBe(-5)
        expect(reader.at).toBe(written.length)
      }),
      { seed: 8, numRuns: 200 },
    )
  })

  it('are refused beyond the end', () => {
    expect(() => new ByteReader(Buffer.from([5, 1, 2])).string()).toThrow(RangeError)
    expect(() => new ByteReader(Buffer.alloc(3)).int32()).toThrow(RangeError)
    expect(() => new ByteReader(Buffer.alloc(9, 0xff)).uvarint()).toThrow(RangeError)
  })

  it('may be tagged: what nobody asks for is passed over', () => {
    const writer = new ByteWriter()
      .uvarint(2)
      .uvarint(0)
      .byteString(Buffer.alloc(0))
      .uvarint(9)
      .uvarint(2)
      .int16(77)
    // A tagged field's size is a plain count, not a compact one.
    const bytes = Buffer.from(writer.int8(1).written())
    bytes[2] = 0
    const seen: number[] = []
    const reader = new ByteReader(bytes).tagged((tag, field) => {
      if (tag === 9) seen.push(field.int16())
    })
    expect(seen).toEqual([77])
    expect(reader.int8()).toBe(1)
  })
})
