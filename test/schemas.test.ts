import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { DEAD_LETTER, LATE } from '../src/runtime/header-names.ts'
import { toAggregate } from '../src/sensors/aggregate.ts'
import { parseReading } from '../src/sensors/reading.ts'
import { addReading, emptyStatistics } from '../src/sensors/statistics.ts'

const folder = new URL('../schemas/', import.meta.url)

type AvroType =
  string | readonly AvroType[] | AvroRecord | { type: AvroType; logicalType?: string; items?: AvroType }
interface AvroField {
  readonly name: string
  readonly type: AvroType
  readonly doc?: string
  readonly default?: unknown
}
interface AvroRecord {
  readonly type: 'record'
  readonly name: string
  readonly namespace?: string
  readonly doc?: string
  readonly fields: readonly AvroField[]
}

const schemaOf = (subject: string): AvroRecord =>
  JSON.parse(readFileSync(new URL(`${subject}.avsc`, folder), 'utf8')) as AvroRecord

/** Whether `value` is one of `type`; optional fields may be missing where the schema has a default. */
function fits(value: unknown, type: AvroType): boolean {
  if (Array.isArray(type)) return type.some((branch: AvroType) => fits(value, branch))
  if (typeof type === 'object' && 'fields' in type) return fitsRecord(value, type)
  if (typeof type === 'object' && 'items' in type) {
    return Array.isArray(value) && value.every((item) => fits(item, type.items ?? 'null'))
  }
  if (typeof type === 'object' && 'type' in type) return fits(value, type.type)
  if (type === 'null') return value === null
  if (type === 'string' || type === 'boolean') return typeof value === type
  if (type === 'bytes') return value instanceof Uint8Array
  if (type === 'double') return typeof value === 'number'
  if (type === 'long') return Number.isSafeInteger(value)
  if (type === 'int') return typeof value === 'number' && (value | 0) === value
  throw new Error(`unknown type ${JSON.stringify(type)}`)
}

function fitsRecord(value: unknown, schema: AvroRecord): boolean {
  if (typeof value !== 'object' || value === null) return false
  const given = value as Record<string, unknown>
  const names = schema.fields.map(({ name }) => name)
  return (
    Object.keys(given).every((name) => names.includes(name)) &&
    schema.fields.every((field) =>
      field.name in given ? fits(given[field.name], field.type) : 'default' in field,
    )
  )
}

const reading = { eventId: 'e', sensorId: 's', timestamp: 1_386_018_900_000, temperature: 52.5 }
const letter = {
  key: Buffer.from('s'),
  value: null,
  timestamp: 5,
  headers: [{ key: 'ingested-at', value: null }],
  topic: 'readings',
  partition: 0,
  offset: 2 ** 40,
  stage: 'validate',
  code: 'READING_NOT_AN_OBJECT',
  exception: 'RecordError',
  message: 'm',
  stacktrace: '',
  attempt: 1,
  time: 6,
}

describe('the schemas', () => {
  it('are one for each topic of the application', () => {
    expect(readdirSync(folder).sort()).toEqual([
      'aggregates-value.avsc',
      'readings-value.avsc',
      'readings.dlq-value.avsc',
      'readings.late-value.avsc',
    ])
  })

  it('describe readings and late readings, every optional field with a default', () => {
    for (const subject of ['readings-value', 'readings.late-value']) {
      const schema = schemaOf(subject)
      expect(fits(parseReading(reading), schema)).toBe(true)
      expect(fits(parseReading({ ...reading, status: 'ok', synthetic: true }), schema)).toBe(true)
      expect(fits({ ...reading, temperature: '52.5' }, schema)).toBe(false)
      expect(fits({ ...reading, unknown: 1 }, schema)).toBe(false)
      expect(fits({ sensorId: 's' }, schema)).toBe(false)
      const order = Object.keys(parseReading({ ...reading, status: 'ok', synthetic: true }))
      expect(schema.fields.map(({ name }) => name)).toEqual(order)
    }
  })

  it('describe aggregates, in the order of the JSON', () => {
    const schema = schemaOf('aggregates-value')
    const aggregate = toAggregate('s', 0, 600_000, addReading(emptyStatistics, 52.5, false, true))
    expect(fits(aggregate, schema)).toBe(true)
    expect(schema.fields.map(({ name }) => name)).toEqual(Object.keys(aggregate))
  })

  it('describe dead letters', () => {
    const schema = schemaOf('readings.dlq-value')
    expect(fits(letter, schema)).toBe(true)
    expect(
      fits({ ...letter, windowStart: 0, windowEnd: 1, valueBytes: 2_000_000, valueSha256: 'ab' }, schema),
    ).toBe(true)
    expect(fits({ ...letter, offset: '5' }, schema)).toBe(false)
  })

  it('name the very headers that dead letters and late readings have', () => {
    const dead = schemaOf('readings.dlq-value')
    const named = dead.fields
      .map(({ doc }) => /Header ([\w.-]*\w)\.$/.exec(doc ?? '')?.[1])
      .filter((name) => name)
    expect(named.sort()).toEqual(Object.values(DEAD_LETTER).sort())
    const late = schemaOf('readings.late-value').doc ?? ''
    expect([...late.matchAll(/__millrace\.late\.[a-z]+/g)].map(([name]) => name).sort()).toEqual(
      Object.values(LATE).sort(),
    )
  })

  it('have a name, a namespace and a doc for every record and field', () => {
    for (const file of readdirSync(folder)) {
      const schema = schemaOf(file.replace('.avsc', ''))
      expect([schema.type, schema.namespace]).toEqual(['record', 'millrace.sensors'])
      expect(schema.name).toMatch(/^[A-Z]\w+$/)
      expect(schema.doc?.length).toBeGreaterThan(20)
      for (const field of schema.fields) {
        expect(field.name).toMatch(/^[A-Za-z_]\w*$/)
        expect(field.doc?.length).toBeGreaterThan(10)
        // The default of a union must be of its first branch.
        if ('default' in field)
          expect(fits(field.default, Array.isArray(field.type) ? field.type[0] : field.type)).toBe(true)
      }
    }
  })
})
