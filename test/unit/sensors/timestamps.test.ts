import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseTimestamp } from '../../../src/sensors/timestamps.ts'

describe('parseTimestamp', () => {
  it.each([
    ['0', 0],
    ['1386018900000', 1_386_018_900_000],
    ['2013-12-02 21:15:00', Date.parse('2013-12-02T21:15:00Z')],
    ['2013-12-02T21:15:00', Date.parse('2013-12-02T21:15:00Z')],
    ['2013-12-02T21:15:00Z', Date.parse('2013-12-02T21:15:00Z')],
    ['2013-12-02T21:15:00z', Date.parse('2013-12-02T21:15:00Z')],
    ['2013-12-02T21:15', Date.parse('2013-12-02T21:15:00Z')],
    ['2013-12-02T21:15:00.5', Date.parse('2013-12-02T21:15:00.500Z')],
    ['2013-12-02T21:15:00,07Z', Date.parse('2013-12-02T21:15:00.070Z')],
    ['2013-12-02T21:15:00.123999999Z', Date.parse('2013-12-02T21:15:00.123Z')],
    ['2013-12-02T21:15:00+01:00', Date.parse('2013-12-02T20:15:00Z')],
    ['2013-12-02T21:15:00-0530', Date.parse('2013-12-03T02:45:00Z')],
    ['2013-12-02 21:15:00.25+01', Date.parse('2013-12-02T20:15:00.250Z')],
    ['1969-12-31T23:30:00-01:00', 1_800_000],
    ['2000-02-29T00:00:00', Date.parse('2000-02-29T00:00:00Z')],
    ['2012-02-29T00:00:00', Date.parse('2012-02-29T00:00:00Z')],
    ['9999-12-31T23:59:59.999Z', Date.parse('9999-12-31T23:59:59.999Z')],
  ])('reads %s', (text, expected) => {
    expect(parseTimestamp(text)).toBe(expected)
  })

  it.each([
    '',
    'yesterday',
    '2013-12-02',
    '2013-12-02T',
    '2013-12-02t21:15:00',
    '2013-12-02  21:15:00',
    '2013-12-02T21:15:00 Z',
    '02.12.2013 21:15:00',
    '12/02/2013 21:15:00',
    '2013-12-02T9:15:00',
    '2013-13-01T00:00:00',
    '2013-00-01T00:00:00',
    '2013-01-00T00:00:00',
    '2013-02-29T00:00:00',
    '1900-02-29T00:00:00',
    '2013-04-31T00:00:00',
    '2013-12-02T24:00:00',
    '2013-12-02T21:60:00',
    '2016-12-31T23:59:60',
    '2013-12-02T21:15:00+24:00',
    '2013-12-02T21:15:00+01:60',
    '1969-12-31T23:59:59',
    '0070-01-01T00:00:00',
    '-1',
    '1.5',
    '1e3',
    '0x10',
    ' 5',
    '12345678901234567',
  ])('refuses %j', (text) => {
    expect(parseTimestamp(text)).toBeNull()
  })

  it('reads what Date writes, with either separator', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 253402300799999 }), fc.boolean(), (time, blank) => {
        const text = new Date(time).toISOString()
        expect(parseTimestamp(blank ? text.replace('T', ' ') : text)).toBe(time)
      }),
      { seed: 1, numRuns: 1000 },
    )
  })

  it('knows every day from 1996 to 2104: a turn of century with a leap day and one without', () => {
    const days: number[] = []
    for (let time = Date.UTC(1996, 0, 1); time < Date.UTC(2104, 3, 1); time += 86_400_000) {
      const text = new Date(time).toISOString().slice(0, 10)
      expect(parseTimestamp(`${text} 00:00:00`)).toBe(time)
      days.push(time)
    }
    expect(days.length).toBe(39537)
  })
})
