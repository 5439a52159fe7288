import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RecordError } from '../../../src/errors.ts'
import { isDeviated, parseReading, readingSerde, type Reading } from '../../../src/sensors/reading.ts'
import { TEMPERATURE_MAX } from '../../../src/sensors/reading-limits.ts'
import { bytesOf, readFrom, roundTrip } from '../../support/serde-bytes.ts'

const good = { eventId: 'e1', sensorId: 's1', timestamp: 1_386_018_900_000, temperature: 52.37 }

function refusal(json: unknown): { code: string; message: string } {
  try {
    parseReading(json)
  } catch (error) {
    if (error instanceof RecordError) return { code: error.code, message: error.message }
    throw error
  }
  throw new Error(`accepted ${JSON.stringify(json)}`)
}

describe('parseReading', () => {
  it('returns the fields of a reading in canonical order and drops all others', () => {
    const json = { other: 1, synthetic: false, status: 'normal', ...good }
    expect(JSON.stringify(parseReading(json))).toBe(
      '{"eventId":"e1","sensorId":"s1","timestamp":1386018900000,"temperature":52.37,' +
        '"status":"normal","synthetic":false}',
    )
    expect(Object.keys(parseReading(good))).toEqual(['eventId', 'sensorId', 'timestamp', 'temperature'])
  })

  it('takes null for a missing optional field', () => {
    expect(parseReading({ ...good, status: null, synthetic: null })).toEqual(good)
    expect(parseReading({ ...good, status: null, synthetic: true })).toEqual({ ...good, synthetic: true })
    expect(parseReading({ ...good, status: '', synthetic: null })).toEqual({ ...good, status: '' })
  })

  it('takes __proto__ as an ordinary sensor id and ignores a field of that name', () => {
    const json: unknown = JSON.parse(
      `{"__proto__":{"status":7},"eventId":"e","sensorId":"__proto__","timestamp":0,"temperature":1}`,
    )
    expect(parseReading(json)).toEqual({ eventId: 'e', sensorId: '__proto__', timestamp: 0, temperature: 1 })
  })

  it('does not take inherited fields for given ones', () => {
    expect(refusal(JSON.parse(`{"__proto__":${JSON.stringify(good)}}`)).code).toBe('EVENT_ID_MISSING')
  })

  it.each([
    ['READING_NOT_AN_OBJECT', null, 'a reading must be a JSON object, but is null'],
    ['READING_NOT_AN_OBJECT', [good], 'but is [{"eventId":"e1"'],
    ['READING_NOT_AN_OBJECT', 'text', 'but is "text"'],
    ['READING_NOT_AN_OBJECT', 7, 'but is 7'],
    ['READING_NOT_AN_OBJECT', undefined, 'but is undefined'],
    [
      'EVENT_ID_MISSING',
      { ...good, eventId: undefined },
      'eventId must be well-formed text of 1 to 256 characters, but is missing',
    ],
    ['EVENT_ID_MISSING', { ...good, eventId: '' }, 'but is ""'],
    ['EVENT_ID_MISSING', { ...good, eventId: 42 }, 'but is 42'],
    ['EVENT_ID_MISSING', { ...good, eventId: 'x'.repeat(257) }, 'but is "xxx'],
    ['EVENT_ID_MISSING', { ...good, eventId: 'a\ud800' }, 'but is "a\\ud800"'],
    [
      'SENSOR_ID_MISSING',
      { ...good, sensorId: null },
      'sensorId must be well-formed text of 1 to 256 characters, but is null',
    ],
    ['SENSOR_ID_MISSING', { ...good, sensorId: '\udfff' }, 'sensorId'],
    [
      'TIMESTAMP_INVALID',
      { ...good, timestamp: undefined },
      'timestamp must be whole epoch milliseconds in [0, 8640000000000000], but is missing',
    ],
    ['TIMESTAMP_INVALID', { ...good, timestamp: '2013-12-02' }, 'but is "2013-12-02"'],
    ['TIMESTAMP_INVALID', { ...good, timestamp: 1.5 }, 'but is 1.5'],
    ['TIMESTAMP_INVALID', { ...good, timestamp: -1 }, 'but is -1'],
    ['TIMESTAMP_INVALID', { ...good, timestamp: 8.64e15 + 1 }, 'but is 8640000000000001'],
    ['TIMESTAMP_INVALID', { ...good, timestamp: NaN }, 'but is NaN'],
    [
      'TEMPERATURE_INVALID',
      { ...good, temperature: '52.37' },
      'temperature must be a finite number, but is "52.37"',
    ],
    ['TEMPERATURE_INVALID', { ...good, temperature: null }, 'but is null'],
    ['TEMPERATURE_INVALID', { ...good, temperature: undefined }, 'but is missing'],
    ['TEMPERATURE_INVALID', { ...good, temperature: NaN }, 'but is NaN'],
    ['TEMPERATURE_INVALID', { ...good, temperature: JSON.parse('1e999') as unknown }, 'but is Infinity'],
    [
      'TEMPERATURE_IMPOSSIBLE',
      { ...good, temperature: -300 },
      'temperature must be between -273.15 and 1.416784e+32 °C, but is -300',
    ],
    ['TEMPERATURE_IMPOSSIBLE', { ...good, temperature: -273.15000000000003 }, 'temperature'],
    ['TEMPERATURE_IMPOSSIBLE', { ...good, temperature: 1.4167840000000001e32 * 1.0001 }, 'temperature'],
    [
      'STATUS_INVALID',
      { ...good, status: 1 },
      'status must be well-formed text of at most 256 characters, but is 1',
    ],
    ['STATUS_INVALID', { ...good, status: 'x'.repeat(257) }, 'status'],
    ['STATUS_INVALID', { ...good, status: '\ud800' }, 'status'],
    ['SYNTHETIC_INVALID', { ...good, synthetic: 'yes' }, 'synthetic must be true or false, but is "yes"'],
  ])('refuses with %s: %j', (code, json, message) => {
    const refused = refusal(json)
    expect(refused.code).toBe(code)
    expect(refused.message).toContain(message)
  })

  it('accepts the limits themselves', () => {
    const id = 'x'.repeat(256)
    for (const json of [
      { ...good, eventId: id, sensorId: id, status: id },
      { ...good, timestamp: 0, temperature: -273.15 },
      { ...good, timestamp: 8.64e15, temperature: TEMPERATURE_MAX },
    ]) {
      expect(parseReading(json)).toEqual(json)
    }
  })

  it('shows at most 80 characters of a value, whatever it is', () => {
    const long = refusal({ ...good, temperature: 'y'.repeat(1000) }).message
    expect(long).toBe(`temperature must be a finite number, but is "${'y'.repeat(78)}…`)
    const cycle: unknown[] = []
    cycle.push(cycle)
    expect(refusal({ ...good, temperature: cycle }).message).toContain('but is object')
    expect(refusal({ ...good, temperature: 1n }).message).toContain('but is bigint')
    expect(refusal({ ...good, temperature: () => 1 }).message).toContain('but is ()')
  })
})

describe('readingSerde', () => {
  const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 })
  const readings = fc.record(
    {
      eventId: text,
      sensorId: text,
      timestamp: fc.integer({ min: 0, max: 8.64e15 }),
      temperature: fc.double({ noNaN: true, min: -273.15, max: TEMPERATURE_MAX }),
      status: text,
      synthetic: fc.boolean(),
    },
    { requiredKeys: ['eventId', 'sensorId', 'timestamp', 'temperature'] },
  )

  it('reads what it wrote', () => {
    fc.assert(
      fc.property(readings, (reading) => {
        const written = { ...reading, temperature: reading.temperature + 0 } as Reading
        expect(roundTrip(readingSerde, written)).toEqual(written)
        expect(bytesOf(readingSerde, written).length).toBeLessThanOrEqual(
          readingSerde.sizeBound?.(written) ?? -1,
        )
      }),
      { seed: 1 },
    )
  })

  it('is canonical: the order in which fields were set does not matter', () => {
    const reversed = Object.fromEntries(
      Object.entries({ ...good, status: 'ok' }).reverse(),
    ) as unknown as Reading
    expect(bytesOf(readingSerde, reversed).toString()).toBe(
      '{"eventId":"e1","sensorId":"s1","timestamp":1386018900000,"temperature":52.37,"status":"ok"}',
    )
  })

  it('checks what it reads', () => {
    const impossible = Buffer.from(JSON.stringify({ ...good, temperature: -300 }))
    expect(() => readFrom(readingSerde, impossible)).toThrow(
      expect.objectContaining({ code: 'TEMPERATURE_IMPOSSIBLE' }),
    )
    expect(() => readFrom(readingSerde, Buffer.from('{"a":'))).toThrow(
      expect.objectContaining({ code: 'RECORD_UNREADABLE' }),
    )
    expect(readingSerde.name).toBe('reading')
  })
})

describe('isDeviated', () => {
  it.each([
    [49.99, true],
    [50, false],
    [52, false],
    [55, false],
    [55.01, true],
  ])('of %d in 50..55 is %s', (temperature, expected) => {
    expect(isDeviated(temperature, { low: 50, high: 55 })).toBe(expected)
  })
})
