import { describe, expect, it } from 'vitest'
import { ConfigError } from '../../../src/errors.ts'
import { deriveEventId } from '../../../src/sensors/event-id.ts'
import { isBadLine, type BadLine } from '../../../src/sensors/line-reader.ts'
import { lineInterpreter, type LineOptions, type ReadingLine } from '../../../src/sensors/line-readings.ts'

const T0 = Date.UTC(2013, 11, 2, 21, 15)

function interpret(
  format: 'csv' | 'jsonl',
  text: string,
  options: LineOptions = {},
): (ReadingLine | BadLine)[] {
  const push = lineInterpreter(format, '/data/boiler room.v2.csv', options)
  const lines = text.split('\n').map((line, i) => ({ line: i + 1, text: line }))
  return [...push(lines, false), ...push([], true)]
}
const csv = (text: string, options?: LineOptions): (ReadingLine | BadLine)[] =>
  interpret('csv', text, options)
const jsonl = (lines: readonly unknown[], options?: LineOptions): (ReadingLine | BadLine)[] =>
  interpret(
    'jsonl',
    lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'),
    options,
  )
const readingsOf = (entries: readonly (ReadingLine | BadLine)[]): unknown[] =>
  entries.map((entry) => (isBadLine(entry) ? `${entry.line} ${entry.code}` : entry.reading))

describe('CSV lines', () => {
  it('take the columns of a reading by their names, in any order, and no others', () => {
    const text = 'status,other,temperature,eventId,timestamp,sensorId\nok,1,52.5,e1,2013-12-02 21:15:00,s1'
    expect(csv(text)).toEqual([
      { line: 2, reading: { eventId: 'e1', sensorId: 's1', timestamp: T0, temperature: 52.5, status: 'ok' } },
    ])
  })

  it('take value for the temperature and the file name for the sensor', () => {
    const sensorId = 'boiler room.v2'
    expect(readingsOf(csv(`timestamp,value\n${T0}, 73.5 `))).toEqual([
      { eventId: deriveEventId(sensorId, T0, 73.5), sensorId, timestamp: T0, temperature: 73.5 },
    ])
  })

  it('take other columns where told, and one sensor for all', () => {
    const text = 'time,temp,value,timestamp,sensorId\n5,1.5,2,x,\n6,2.5,2,x,s'
    const entries = csv(text, { columns: { timestamp: 'time', temperature: 'temp' }, sensor: 'fixed' })
    expect(readingsOf(entries)).toMatchObject([
      { sensorId: 'fixed', timestamp: 5, temperature: 1.5 },
      { sensorId: 'fixed', timestamp: 6, temperature: 2.5 },
    ])
  })

  it('derive an event id only where there is none', () => {
    const entries = csv('timestamp,temperature,eventId,sensorId\n1,2,,s\n1,2,given,s')
    expect(readingsOf(entries)).toMatchObject([{ eventId: deriveEventId('s', 1, 2) }, { eventId: 'given' }])
  })

  it('leave an empty status out', () => {
    expect(readingsOf(csv('timestamp,temperature,sensorId,status\n1,2,s,'))[0]).not.toHaveProperty('status')
  })

  it('are bad one by one, with their number, bytes and reason', () => {
    const entries = csv(
      [
        'timestamp,temperature,sensorId',
        'yesterday,1,s',
        '1,warm,s',
        '1,,s',
        '1,NaN,s',
        '1,0x10,s',
        '1,-300,s',
        '1,2,',
        '1,2',
        '"1,2,s',
        '1,2,s',
        '',
      ].join('\n'),
    )
    expect(readingsOf(entries)).toMatchObject([
      '2 TIMESTAMP_INVALID',
      '3 TEMPERATURE_INVALID',
      '4 TEMPERATURE_INVALID',
      '5 TEMPERATURE_INVALID',
      '6 TEMPERATURE_INVALID',
      '7 TEMPERATURE_IMPOSSIBLE',
      '8 SENSOR_ID_MISSING',
      '9 CSV_COLUMN_COUNT',
      '10 CSV_QUOTE_INVALID',
      { timestamp: 1, temperature: 2 },
    ])
    expect(entries[0]).toEqual({
      line: 2,
      raw: Buffer.from('yesterday,1,s'),
      code: 'TIMESTAMP_INVALID',
      message:
        'timestamp must be epoch milliseconds or ISO-8601 such as 2013-12-02T21:15:00Z, not before 1970, ' +
        'but is "yesterday"',
    })
    expect(entries[1]).toMatchObject({ message: 'temperature must be a finite number, but is "warm"' })
  })

  it.each(['1', '-1.5', '+1.5', '.5', '5.', '1e2', '1.5E-3'])('take %s for a number', (text) => {
    expect(readingsOf(csv(`timestamp,temperature\n1,${text}`))).toMatchObject([{ temperature: Number(text) }])
  })

  it.each([
    [
      'timestamp,temp',
      {},
      ['there is no column "temperature" for the temperature; there are: "timestamp", "temp"'],
    ],
    ['a,b', {}, ['no column "timestamp" for the timestamp', 'no column "temperature" for the temperature']],
    ['timestamp,value', { columns: { sensorId: 'device' } }, ['no column "device" for the sensorId']],
    ['timestamp,value,status,status', {}, ['the column "status" for the status is there twice']],
    ['timestamp,"value', {}, ['line 1 is no CSV header']],
  ])('refuse the header %s', (header, options, problems) => {
    let error: unknown
    try {
      csv(`${header}\n1,2`, options)
    } catch (caught) {
      error = caught
    }
    expect(error).toBeInstanceOf(ConfigError)
    expect((error as ConfigError).problems).toEqual(
      problems.map((problem) => expect.stringContaining(problem)),
    )
  })

  it('are none where there is no header, or nothing below it', () => {
    expect(csv('')).toEqual([])
    expect(csv('\n\n')).toEqual([])
    expect(csv('timestamp,value\n')).toEqual([])
  })
})

describe('JSON lines', () => {
  const reading = { eventId: 'e1', sensorId: 's1', timestamp: T0, temperature: 52.5 }

  it('take readings as they are, synthetic ones too', () => {
    const lines = [reading, { ...reading, eventId: 'e2', status: 'ok', synthetic: true, other: {} }]
    expect(readingsOf(jsonl(lines))).toEqual([
      reading,
      { ...reading, eventId: 'e2', status: 'ok', synthetic: true },
    ])
  })

  it('take other fields, ISO times and numbers for ids', () => {
    const lines = [{ id: 17, device: 4, at: '2013-12-02T21:15:00Z', t: 1.5, timestamp: 'no' }]
    const columns = { eventId: 'id', sensorId: 'device', timestamp: 'at', temperature: 't' }
    expect(readingsOf(jsonl(lines, { columns }))).toEqual([
      { eventId: '17', sensorId: '4', timestamp: T0, temperature: 1.5 },
    ])
  })

  it('take value where there is no temperature', () => {
    const lines = [
      { sensorId: 's', timestamp: 1, value: 2 },
      { sensorId: 's', timestamp: 1, value: 2, temperature: 3 },
    ]
    expect(readingsOf(jsonl(lines))).toMatchObject([{ temperature: 2 }, { temperature: 3 }])
  })

  it('take the file name for the sensor only where no line names one', () => {
    const nameless = { timestamp: 1, temperature: 2 }
    expect(readingsOf(jsonl([nameless]))).toMatchObject([{ sensorId: 'boiler room.v2' }])
    expect(readingsOf(jsonl([nameless], { sensor: 'fixed' }))).toMatchObject([{ sensorId: 'fixed' }])
    expect(readingsOf(jsonl([nameless, reading]))).toEqual(['1 SENSOR_ID_MISSING', reading])
    expect(readingsOf(jsonl([nameless], { columns: { sensorId: 'device' } }))).toEqual([
      '1 SENSOR_ID_MISSING',
    ])
  })

  it('are bad one by one, with their number and bytes', () => {
    const entries = jsonl([
      '{"broken',
      'null',
      '[]',
      { ...reading, temperature: '52.5' },
      { ...reading, timestamp: 1.5 },
      { ...reading, timestamp: null },
      { ...reading, eventId: true },
      { ...reading, temperature: undefined },
      '',
      '   ',
      reading,
    ])
    expect(readingsOf(entries)).toEqual([
      '1 LINE_NOT_JSON',
      '2 READING_NOT_AN_OBJECT',
      '3 READING_NOT_AN_OBJECT',
      '4 TEMPERATURE_INVALID',
      '5 TIMESTAMP_INVALID',
      '6 TIMESTAMP_INVALID',
      '7 EVENT_ID_MISSING',
      '8 TEMPERATURE_INVALID',
      reading,
    ])
    expect(entries[0]).toMatchObject({ raw: Buffer.from('{"broken') })
  })

  it('do not take what every object inherits for a field', () => {
    const columns = { sensorId: 'toString', status: 'constructor' }
    expect(readingsOf(jsonl([reading], { columns }))).toEqual(['1 SENSOR_ID_MISSING'])
    const named = '{"__proto__":"s","timestamp":1,"temperature":2}'
    expect(readingsOf(jsonl([named], { columns: { sensorId: '__proto__' } }))).toMatchObject([
      { sensorId: 's' },
    ])
  })
})

describe('lineInterpreter', () => {
  it('refuses a sensor that cannot be one, and a sensor beside a column for it', () => {
    expect(() => csv('', { sensor: '' })).toThrow(
      'the sensor must be well-formed text of 1 to 256 characters, but is ""',
    )
    expect(() => csv('', { sensor: 'a', columns: { sensorId: 'b' } })).toThrow('not both')
  })
})
