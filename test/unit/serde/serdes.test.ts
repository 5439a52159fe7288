import { describe, expect, it } from 'vitest'
import { Serdes } from '../../../src/serde/serdes.ts'
import { bytesOf, roundTrip } from '../../support/serde-bytes.ts'

describe('Serdes', () => {
  it('has a serde for every kind of value', () => {
    expect(roundTrip(Serdes.string(), 'é')).toBe('é')
    expect(roundTrip(Serdes.json<{ a: number }>(), { a: 1 })).toEqual({ a: 1 })
    expect(roundTrip(Serdes.bytes(), Buffer.of(1)).equals(Buffer.of(1))).toBe(true)
    expect(roundTrip(Serdes.double(), 0.1)).toBe(0.1)
    expect(roundTrip(Serdes.int64(), 7n)).toBe(7n)
    expect(roundTrip(Serdes.int32(), 7)).toBe(7)
  })

  it('hands the order of fields on', () => {
    const serde = Serdes.json<{ a: number; b: number }>({ fields: ['b', 'a'] })
    expect(bytesOf(serde, { a: 1, b: 2 }).toString()).toBe('{"b":2,"a":1}')
  })

  it('names each serde for descriptions', () => {
    const { timeWindowed, ...simple } = Serdes
    const names = Object.values(simple).map((make) => make().name)
    expect(names).toEqual(['string', 'json', 'bytes', 'double', 'int64', 'int32'])
    expect(timeWindowed(Serdes.string(), 5).name).toBe('windowed string')
  })
})
