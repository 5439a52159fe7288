import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { doubleSerde, int32Serde, int64Serde } from '../../../src/serde/number-serdes.ts'
import type { Serde } from '../../../src/serde/serde.ts'
import { bytesOf, readFrom, roundTrip } from '../../support/serde-bytes.ts'

describe('doubleSerde', () => {
  it.each([
    [1.5, '3ff8000000000000'],
    [-0, '8000000000000000'],
    [5e-324, '0000000000000001'],
    [Infinity, '7ff0000000000000'],
    [NaN, '7ff8000000000000'],
  ])('writes %d as Java does', (value, hex) => {
    expect(bytesOf(doubleSerde, value).toString('hex')).toBe(hex)
  })

  it('writes every NaN alike', () => {
    const negativeNaN = Buffer.from('fff8000000000001', 'hex').readDoubleBE(0)
    expect(bytesOf(doubleSerde, negativeNaN).toString('hex')).toBe('7ff8000000000000')
  })

  it('reads what it wrote', () => {
    fc.assert(
      fc.property(fc.double(), (value) => {
        expect(Object.is(roundTrip(doubleSerde, value), value)).toBe(true)
      }),
      { seed: 1 },
    )
  })
})

describe('int64Serde', () => {
  it.each([
    [0n, '0000000000000000'],
    [-1n, 'ffffffffffffffff'],
    [2n ** 63n - 1n, '7fffffffffffffff'],
    [-(2n ** 63n), '8000000000000000'],
  ])('writes %d as Java does and reads it', (value, hex) => {
    expect(bytesOf(int64Serde, value).toString('hex')).toBe(hex)
    expect(roundTrip(int64Serde, value)).toBe(value)
  })

  it.each([[2n ** 63n], [-(2n ** 63n) - 1n], [7 as unknown as bigint]])('refuses %s', (value) => {
    expect(() => int64Serde.serialize(value)).toThrow('int64: expected a bigint between -2^63 and 2^63 - 1')
  })
})

describe('int32Serde', () => {
  it.each([
    [0, '00000000'],
    [-2, 'fffffffe'],
    [2147483647, '7fffffff'],
    [-2147483648, '80000000'],
  ])('writes %d as Java does and reads it', (value, hex) => {
    expect(bytesOf(int32Serde, value).toString('hex')).toBe(hex)
    expect(roundTrip(int32Serde, value)).toBe(value)
  })

  it.each([[2147483648], [1.5], [NaN], ['1' as unknown as number], [1n as unknown as number]])(
    'refuses %s',
    (value) => {
      expect(() => int32Serde.serialize(value)).toThrow(
        'int32: expected an integer between -2^31 and 2^31 - 1',
      )
    },
  )
})

describe('every number serde', () => {
  it.each([
    [doubleSerde as Serde<unknown>, 8],
    [int64Serde as Serde<unknown>, 8],
    [int32Serde as Serde<unknown>, 4],
  ])('refuses bytes of another length', (serde, size) => {
    expect(serde.sizeBound?.(serde === int64Serde ? 0n : 0)).toBe(size)
    expect(serde.sizeBound?.('0')).toBe(Infinity)
    for (const length of [0, size - 1, size + 1]) {
      expect(() => readFrom(serde, new Uint8Array(length))).toThrow(
        `${serde.name}: expected ${size} bytes, got ${length}`,
      )
    }
  })

  it('tells what it got instead of a number', () => {
    const bare = Object.create(null) as number
    expect(() => doubleSerde.serialize(bare)).toThrow('double: expected a number, got object')
    expect(() => int32Serde.serialize(0.5)).toThrow('got number 0.5')
  })
})
