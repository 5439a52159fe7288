import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RecordError, RetriableError } from '../../../src/errors.ts'
import { anyAvroSerde, openAvroSerde } from '../../../src/serde/avro-serde.ts'
import type { Serde } from '../../../src/serde/serde.ts'
import { FakeRegistry } from '../../support/fake-registry.ts'

interface Point {
  readonly name: string
  readonly x: number
  readonly at?: number
  readonly note?: string | null
}

const field = (name: string, type: unknown, defaultValue?: unknown): object =>
  defaultValue === undefined ? { name, type } : { name, type, default: defaultValue }
const record = (name: string, ...fields: object[]): string => JSON.stringify({ type: 'record', name, fields })

const POINT = record(
  'Point',
  field('name', 'string'),
  field('x', 'double'),
  field('at', { type: 'long', logicalType: 'timestamp-millis' }, 7),
  field('note', ['null', 'string'], null),
)

const open = (registry: FakeRegistry, schema = POINT): Promise<Serde<Point>> =>
  openAvroSerde<Point>({ registry, subject: 'points-value', schema })

const bytesOf = (serde: Serde<Point>, value: Point): Buffer => Buffer.from(serde.serialize(value))
const read = <T>(serde: Serde<T>, bytes: Buffer): T => serde.deserialize(bytes, 0, bytes.length)

function codeOfThrown(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    if (error instanceof RecordError || error instanceof RetriableError) return error.code
    throw error
  }
  return 'nothing was thrown'
}

describe('an Avro serde', () => {
  it('writes a zero byte, the id of the registered schema and the Avro encoding', async () => {
    const registry = new FakeRegistry()
    registry.add({ type: 'AVRO', text: '"int"', references: [] })
    const serde = await open(registry)
    // By the Avro specification: length 2 zigzag = 4, text; 8 bytes little-endian; 3 zigzag = 6; branch 0.
    const double = [0, 0, 0, 0, 0, 0, 0xf8, 0x3f]
    const expected = [0, 0, 0, 0, 2, 4, 0x61, 0x62, ...double, 6, 0]
    expect([...bytesOf(serde, { name: 'ab', x: 1.5, at: 3 })]).toEqual(expected)
  })

  it('reads what it has written, and fills in defaults', async () => {
    const serde = await open(new FakeRegistry())
    const written = bytesOf(serde, { name: '', x: -0.5 })
    expect(read(serde, written)).toEqual({ name: '', x: -0.5, at: 7, note: null })
  })

  it('reads any value back, wherever the bytes lie', async () => {
    const serde = await open(new FakeRegistry())
    const points = fc.record({
      name: fc.string({ unit: 'binary' }).filter((name) => name.isWellFormed()),
      x: fc.double({ noNaN: true }),
      at: fc.maxSafeInteger(),
      note: fc.option(fc.string({ unit: 'binary' }).filter((note) => note.isWellFormed())),
    })
    fc.assert(
      fc.property(points, fc.nat(50), (point, at) => {
        const bytes = bytesOf(serde, point)
        const among = Buffer.concat([Buffer.alloc(at, 1), bytes, Buffer.alloc(9, 2)])
        expect({ ...serde.deserialize(among, at, at + bytes.length) }).toEqual(point)
      }),
      { seed: 1 },
    )
  })

  it('writes values larger than all before, and does not touch what it handed out', async () => {
    const serde = await open(new FakeRegistry())
    const small = bytesOf(serde, { name: 'a', x: 1 })
    const before = Buffer.from(small)
    const name = 'n'.repeat(100_000)
    expect(read(serde, bytesOf(serde, { name, x: 2 })).name).toBe(name)
    expect(small).toEqual(before)
    expect(read(serde, small).x).toBe(1)
  })

  it.each<[string, unknown]>([
    ['a missing field without default', { x: 1 }],
    ['a text for a number', { name: 'a', x: '1' }],
    ['an unsafe integer', { name: 'a', x: 1, at: 2 ** 60 }],
    ['a lone surrogate in a short text', { name: 'a\ud800', x: 1 }],
    ['a lone surrogate in a long text', { name: '\udc00' + 'a'.repeat(99), x: 1 }],
    ['nothing', undefined],
  ])('refuses to write %s', async (_what, value) => {
    const serde = await open(new FakeRegistry())
    expect(codeOfThrown(() => serde.serialize(value as Point))).toBe('RECORD_UNWRITABLE')
    expect(read(serde, bytesOf(serde, { name: 'next', x: 1 })).name).toBe('next')
  })

  it('writes the replacement character where it really stands', async () => {
    const serde = await open(new FakeRegistry())
    expect(read(serde, bytesOf(serde, { name: '\ufffd', x: 1 })).name).toBe('\ufffd')
  })

  it('refuses bytes of another format, cut-off ones at every place, and a tail', async () => {
    const serde = await open(new FakeRegistry())
    const bytes = bytesOf(serde, { name: 'abc', x: 1, note: 'd' })
    for (let end = 0; end < bytes.length; end++) {
      expect(codeOfThrown(() => serde.deserialize(bytes, 0, end))).toBe('RECORD_UNREADABLE')
    }
    const tail = Buffer.concat([bytes, Buffer.of(0)])
    expect(codeOfThrown(() => read(serde, tail))).toBe('RECORD_UNREADABLE')
    expect(codeOfThrown(() => read(serde, Buffer.from('{"name":"abc"}')))).toBe('RECORD_UNREADABLE')
  })

  it('hands out values that do not share memory with the bytes', async () => {
    const schema = record('Blob', field('data', 'bytes'))
    const serde = await openAvroSerde<{ data: Buffer }>({
      registry: new FakeRegistry(),
      subject: 'blobs-value',
      schema,
    })
    const bytes = Buffer.from(serde.serialize({ data: Buffer.from('abc') }))
    const value = read(serde, bytes)
    bytes.fill(0)
    expect(value.data.toString()).toBe('abc')
  })
})

describe('schemas of writers', () => {
  const OLD = record('Point', field('name', 'string'), field('gone', 'int'), field('x', 'int'))

  it('are those of all versions of the subject when the serde is opened', async () => {
    const registry = new FakeRegistry()
    const old = await openAvroSerde<object>({ registry, subject: 'points-value', schema: OLD })
    const bytes = Buffer.from(old.serialize({ name: 'p', gone: 5, x: 3 }))
    const serde = await open(registry)
    expect(serde.lookup!.missing(bytes, 0, bytes.length)).toBe(false)
    expect(read(serde, bytes)).toEqual({ name: 'p', x: 3, at: 7, note: null })
    expect(registry.asked).toEqual([])
  })

  it('are fetched once by their id, whoever asks', async () => {
    const registry = new FakeRegistry()
    const serde = await open(registry)
    const other = await openAvroSerde<object>({ registry, subject: 'other-value', schema: OLD })
    const bytes = Buffer.from(other.serialize({ name: 'p', gone: 5, x: 3 }))
    expect(codeOfThrown(() => read(serde, bytes))).toBe('SCHEMA_NOT_FETCHED')
    expect(serde.lookup!.missing(bytes, 0, bytes.length)).toBe(true)
    expect(serde.lookup!.missing(bytes, 0, bytes.length)).toBe(true)
    await Promise.all([serde.lookup!.fetch(), serde.lookup!.fetch()])
    expect(serde.lookup!.missing(bytes, 0, bytes.length)).toBe(false)
    expect(read(serde, bytes)).toEqual({ name: 'p', x: 3, at: 7, note: null })
    await serde.lookup!.fetch()
    expect(registry.asked).toHaveLength(1)
  })

  it('stay missing while the registry is down, and come when it is back', async () => {
    const registry = new FakeRegistry()
    const serde = await open(registry)
    const id = registry.add({ type: 'AVRO', text: POINT, references: [] })
    const bytes = bytesOf(serde, { name: 'p', x: 1 })
    bytes.writeUInt32BE(id, 1)
    registry.down = true
    expect(serde.lookup!.missing(bytes, 0, bytes.length)).toBe(true)
    await expect(serde.lookup!.fetch()).rejects.toThrow(RetriableError)
    expect(codeOfThrown(() => read(serde, bytes))).toBe('SCHEMA_NOT_FETCHED')
    registry.down = false
    await serde.lookup!.fetch()
    expect(read(serde, bytes).name).toBe('p')
  })

  it.each([
    ['SCHEMA_UNSUPPORTED', { type: 'PROTOBUF', text: 'message P {}', references: [] }],
    ['SCHEMA_INCOMPATIBLE', { type: 'AVRO', text: '"int"', references: [] }],
    ['SCHEMA_INCOMPATIBLE', { type: 'AVRO', text: record('Point', field('x', 'string')), references: [] }],
    ['SCHEMA_INCOMPATIBLE', { type: 'AVRO', text: 'not a schema', references: [] }],
  ])('make records unreadable for good: %s', async (code, schema) => {
    const registry = new FakeRegistry()
    const serde = await open(registry)
    const bytes = Buffer.of(0, 0, 0, 0, registry.add(schema), 1)
    expect(serde.lookup!.missing(bytes, 0, bytes.length)).toBe(true)
    await serde.lookup!.fetch()
    expect(serde.lookup!.missing(bytes, 0, bytes.length)).toBe(false)
    expect(codeOfThrown(() => read(serde, bytes))).toBe(code)
    expect(read(serde, bytesOf(serde, { name: 'next', x: 1 })).name).toBe('next')
  })

  it('may refer to schemas of other subjects', async () => {
    const registry = new FakeRegistry()
    const inner = JSON.stringify({ type: 'record', name: 'Inner', fields: [field('n', 'int')] })
    const text = record('Outer', field('inner', 'Inner'))
    const id = registry.add({ type: 'AVRO', text, references: [inner] })
    const serde = anyAvroSerde(registry)
    const bytes = Buffer.of(0, 0, 0, 0, id, 10)
    serde.lookup!.missing(bytes, 0, bytes.length)
    await serde.lookup!.fetch()
    expect(read(serde, bytes)).toEqual({ inner: { n: 5 } })
  })
})

describe('an id that the registry does not know', () => {
  it('is a bad record, and is asked for again after a minute', async () => {
    const registry = new FakeRegistry()
    let nowMs = 0
    const clock = { now: () => nowMs, monotonic: () => nowMs } as never
    const serde = await openAvroSerde<Point>({ registry, subject: 'points-value', schema: POINT, clock })
    const bytes = bytesOf(serde, { name: 'p', x: 1 })
    bytes.writeUInt32BE(77, 1)
    const missing = (): boolean => serde.lookup!.missing(bytes, 0, bytes.length)
    expect(missing()).toBe(true)
    await serde.lookup!.fetch()
    expect(codeOfThrown(() => read(serde, bytes))).toBe('SCHEMA_UNKNOWN')
    nowMs = 59_999
    expect(missing()).toBe(false)
    nowMs = 60_000
    registry.add({ type: 'AVRO', text: POINT, references: [] }, 77)
    expect(missing()).toBe(true)
    await serde.lookup!.fetch()
    expect(read(serde, bytes).name).toBe('p')
    expect(registry.asked).toEqual([77, 77])
  })
})

describe('opening', () => {
  it('registers the schema without white space, with compatibility BACKWARD', async () => {
    const registry = new FakeRegistry()
    await open(registry, JSON.stringify(JSON.parse(POINT), null, 2))
    expect(registry.compatibilities.get('points-value')).toBe('BACKWARD')
    expect((await registry.versions('points-value')).map(({ schema }) => schema.text)).toEqual([POINT])
  })

  it('fails as the registry does', async () => {
    const registry = new FakeRegistry()
    registry.refuses = () => true
    await expect(open(registry)).rejects.toMatchObject({ code: 'SCHEMA_REFUSED' })
    registry.down = true
    await expect(open(registry)).rejects.toMatchObject({ code: 'REGISTRY_UNREACHABLE' })
  })

  it('for reading only registers nothing and refuses to write', async () => {
    const registry = new FakeRegistry()
    const options = { registry, subject: 'points-value', schema: POINT, writes: false }
    const serde = await openAvroSerde<Point>(options)
    expect(await registry.versions('points-value')).toEqual([])
    expect(codeOfThrown(() => serde.serialize({ name: 'a', x: 1 }))).toBe('RECORD_UNWRITABLE')
  })
})
