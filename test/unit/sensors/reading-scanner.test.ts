import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { scanReading } from '../../../src/sensors/reading-scanner.ts'
import { parseReading, readingSerde, type Reading } from '../../../src/sensors/reading.ts'

/** Scans from the middle of a buffer whose surroundings would go on with the number or close the object. */
function scan(bytes: Uint8Array): Reading | null {
  return scanReading(Buffer.concat([Buffer.from('7'), bytes, Buffer.from('5}')]), 1, 1 + bytes.length)
}

/** What the general way gives; `null` for what it refuses. */
function general(bytes: Uint8Array): Reading | null {
  try {
    return parseReading(JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)))
  } catch {
    return null
  }
}

const plain = fc
  .string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 30 })
  .filter((text) => !/["\\]/.test(text))
const status = fc.oneof(plain, fc.constantFrom('normal', 'deviated', 'normae', 'deviates', 'x'))
const decimal = fc
  .tuple(fc.integer({ min: -27315, max: 10_000_000 }), fc.integer({ min: 0, max: 6 }))
  .map(([digits, places]) => digits / 10 ** Math.max(places, 2))
const usual = fc.record(
  { eventId: plain, sensorId: plain, timestamp: fc.nat(1e15 - 1), temperature: decimal, status },
  { requiredKeys: ['eventId', 'sensorId', 'timestamp', 'temperature'] },
)
const written = (reading: object): string => readingSerde.serialize(reading as Reading) as string

const usualText =
  '{"eventId":"e-1","sensorId":"sensor-0001","timestamp":1386018900000,"temperature":52.37,"status":"normal"}'

describe('scanReading', () => {
  it('reads all that is in the usual form, as the general way does', () => {
    fc.assert(
      fc.property(usual, (reading) => {
        const bytes = Buffer.from(written(reading))
        expect(scan(bytes)).toStrictEqual(general(bytes))
        expect(scan(bytes)).not.toBeNull()
      }),
      { seed: 1, numRuns: 2000 },
    )
  })

  it('never reads anything else than the general way, whatever became of the bytes', () => {
    const edit = fc.record({
      at: fc.nat(120),
      removed: fc.nat(3),
      inserted: fc.oneof(
        fc.constantFrom(
          '0',
          '-',
          '.',
          'e5',
          '"',
          '\\',
          '\\n',
          '\n',
          '}',
          ',',
          ' ',
          'é',
          '1234567890',
          '"status":"x"',
        ),
        fc.string({ maxLength: 2 }),
      ),
    })
    let read = 0
    fc.assert(
      fc.property(usual, fc.array(edit, { maxLength: 2 }), (reading, edits) => {
        let text = written(reading)
        for (const { at, removed, inserted } of edits) {
          const from = at % (text.length + 1)
          text = text.slice(0, from) + inserted + text.slice(from + removed)
        }
        const scanned = scan(Buffer.from(text))
        if (scanned === null) return
        read++
        expect(scanned).toStrictEqual(general(Buffer.from(text)))
      }),
      { seed: 2, numRuns: 20_000 },
    )
    expect(read).toBeGreaterThan(5000)
  })

  it('never reads anything else from any single byte changed', () => {
    const bytes = Buffer.from(usualText)
    for (let at = 0; at < bytes.length; at++) {
      for (let byte = 0; byte < 256; byte++) {
        const changed = Buffer.from(bytes)
        changed[at] = byte
        const scanned = scan(changed)
        if (scanned !== null) expect(scanned).toStrictEqual(general(changed))
      }
    }
  })

  it('rounds every decimal as JSON.parse does', () => {
    const digits = fc.stringMatching(/^-?(0|[1-9]\d{0,8})(\.\d{1,6})?$/)
    fc.assert(
      fc.property(digits, (number) => {
        const text = `{"eventId":"e","sensorId":"s","timestamp":0,"temperature":${number}}`
        const scanned = scan(Buffer.from(text))
        expect(scanned).toStrictEqual(general(Buffer.from(text)))
        if (Number(number) >= -273.15) expect(scanned).not.toBeNull()
      }),
      { seed: 3, numRuns: 5000 },
    )
  })

  it.each([
    ['another order', '{"sensorId":"s","eventId":"e","timestamp":1,"temperature":2}'],
    ['white space', '{"eventId":"e","sensorId":"s","timestamp":1, "temperature":2}'],
    ['an escape', '{"eventId":"e\\u0041","sensorId":"s","timestamp":1,"temperature":2}'],
    ['more than ASCII', '{"eventId":"é","sensorId":"s","timestamp":1,"temperature":2}'],
    ['an exponent', '{"eventId":"e","sensorId":"s","timestamp":1,"temperature":2e1}'],
    ['sixteen digits', '{"eventId":"e","sensorId":"s","timestamp":1,"temperature":1.234567890123456}'],
    ['a synthetic reading', '{"eventId":"e","sensorId":"s","timestamp":1,"temperature":2,"synthetic":true}'],
    [
      'a field of its own',
      '{"eventId":"e","sensorId":"s","timestamp":1,"temperature":2,"status":"x","other":1}',
    ],
  ])('leaves %s to the general way', (_what, text) => {
    expect(scan(Buffer.from(text))).toBeNull()
    expect(general(Buffer.from(text))).not.toBeNull()
  })

  it.each([
    ['an empty id', '{"eventId":"","sensorId":"s","timestamp":1,"temperature":2}'],
    ['a long id', `{"eventId":"${'e'.repeat(257)}","sensorId":"s","timestamp":1,"temperature":2}`],
    ['a long sensor id', `{"eventId":"e","sensorId":"${'s'.repeat(257)}","timestamp":1,"temperature":2}`],
    [
      'a long status',
      `{"eventId":"e","sensorId":"s","timestamp":1,"temperature":2,"status":"${'x'.repeat(257)}"}`,
    ],
    ['a control character', '{"eventId":"e\n","sensorId":"s","timestamp":1,"temperature":2}'],
    ['leading zeros', '{"eventId":"e","sensorId":"s","timestamp":01,"temperature":2}'],
    ['zeros before a point', '{"eventId":"e","sensorId":"s","timestamp":1,"temperature":00.5}'],
    ['no digit before the point', '{"eventId":"e","sensorId":"s","timestamp":1,"temperature":.5}'],
    ['no digit behind the point', '{"eventId":"e","sensorId":"s","timestamp":1,"temperature":5.}'],
    ['a plus', '{"eventId":"e","sensorId":"s","timestamp":1,"temperature":+5}'],
    ['what is too cold', '{"eventId":"e","sensorId":"s","timestamp":1,"temperature":-300}'],
    ['a cut record', '{"eventId":"e","sensorId":"s","timestamp":1,"temperature":2'],
    ['bytes behind it', '{"eventId":"e","sensorId":"s","timestamp":1,"temperature":2}}'],
    ['nothing', ''],
  ])('does not accept %s', (_what, text) => {
    expect(scan(Buffer.from(text))).toBeNull()
    expect(general(Buffer.from(text))).toBeNull()
  })

  it('takes the limits themselves', () => {
    const longest = 'x'.repeat(256)
    const reading = {
      eventId: longest,
      sensorId: longest,
      timestamp: 0,
      temperature: -273.15,
      status: longest,
    }
    expect(scan(Buffer.from(written(reading)))).toEqual(reading)
  })
})
