import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RecordError } from '../../../src/errors.ts'
import { jsonSerde } from '../../../src/serde/json-serde.ts'
import { bytesOf, readFrom, roundTrip } from '../../support/serde-bytes.ts'

const serde = jsonSerde<unknown>()
const textOf = (value: unknown): string => bytesOf(serde, value).toString('utf8')

function refusal(action: () => unknown): RecordError {
  try {
    action()
  } catch (error) {
    if (error instanceof RecordError) return error
    throw error
  }
  throw new Error('nothing was refused')
}

describe('jsonSerde without a field list', () => {
  it('writes byte for byte what JSON.stringify writes, for any JSON value', () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: 'binary' }), (value) => {
        expect(textOf(value)).toBe(JSON.stringify(value))
      }),
      { seed: 1, numRuns: 2000 },
    )
  })

  it('reads what it wrote', () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: 'binary' }), (value) => {
        expect(roundTrip(serde, value)).toEqual(JSON.parse(JSON.stringify(value)))
      }),
      { seed: 2 },
    )
  })

  it('keeps a field named __proto__, written and read', () => {
    const value: unknown = JSON.parse('{"__proto__":{"a":1},"b":2}')
    expect(textOf(value)).toBe('{"__proto__":{"a":1},"b":2}')
    expect(Object.getPrototypeOf(readFrom(serde, bytesOf(serde, value)) as object)).toBe(Object.prototype)
  })

  it('leaves out undefined fields and honours toJSON', () => {
    const value = { a: undefined, when: new Date(0), b: { toJSON: (key: string) => `seen as ${key}` } }
    expect(textOf(value)).toBe('{"when":"1970-01-01T00:00:00.000Z","b":"seen as b"}')
  })

  it('writes instances of plain classes and objects without prototype', () => {
    class Point {
      readonly x = 1
    }
    expect(textOf([new Point(), Object.assign(Object.create(null) as object, { y: 2 })])).toBe(
      '[{"x":1},{"y":2}]',
    )
  })
})

describe('jsonSerde with a field list', () => {
  interface Row {
    readonly id: string
    readonly n: number
    readonly note?: string
  }
  const rows = jsonSerde<Row>({ fields: ['id', 'n', 'note'] })

  it('writes the fields in the given order and leaves out what is missing', () => {
    expect(bytesOf(rows, { n: 1, id: 'a' }).toString()).toBe('{"id":"a","n":1}')
    expect(bytesOf(rows, { note: 'x', n: 1, id: 'a' }).toString()).toBe('{"id":"a","n":1,"note":"x"}')
    expect(bytesOf(rows, {} as Row).toString()).toBe('{}')
  })

  it('writes fields that are not listed behind them, sorted, so that nothing is lost', () => {
    const value = { z: 1, n: 2, id: 'a', b: { y: 1, x: 2 } } as unknown as Row
    expect(bytesOf(rows, value).toString()).toBe('{"id":"a","n":2,"b":{"x":2,"y":1},"z":1}')
    expect(bytesOf(rows, { q: 1 } as unknown as Row).toString()).toBe('{"q":1}')
  })

  it('gives equal bytes for equal values however they were built', () => {
    const shuffled = (value: unknown, seed: number): unknown => {
      if (Array.isArray(value)) return value.map((item) => shuffled(item, seed))
      if (typeof value !== 'object' || value === null) return value
      const entries = Object.entries(value).map(([key, item]) => [key, shuffled(item, seed)] as const)
      return Object.fromEntries(
        seed % 2 === 0 ? entries.reverse() : [...entries.slice(1), ...entries.slice(0, 1)],
      )
    }
    const keys = fc.constantFrom('id', 'n', 'a', 'b', 'Z', 'é', 'note')
    const tree = fc.letrec((tie) => ({
      value: fc.oneof({ depthSize: 'small' }, fc.integer(), fc.array(tie('value')), tie('object')),
      object: fc.dictionary(keys, tie('value')),
    })).object
    fc.assert(
      fc.property(tree, fc.nat(3), (value, seed) => {
        expect(rows.serialize(shuffled(value, seed) as Row)).toBe(rows.serialize(value as unknown as Row))
        expect(roundTrip(rows, value as unknown as Row)).toEqual(value)
      }),
      { seed: 4, numRuns: 500 },
    )
  })

  it('writes what is not an object as it is', () => {
    expect(bytesOf(jsonSerde<unknown>({ fields: [] }), [1, { b: 1, a: 2 }]).toString()).toBe(
      '[1,{"a":2,"b":1}]',
    )
    expect(() => rows.serialize(undefined as unknown as Row)).toThrow('there is no value')
  })
})

describe('jsonSerde reading', () => {
  it('takes ASCII and any other UTF-8 alike', () => {
    for (const text of [
      '{"a":"plain"}',
      '{"ä":"\u20ac \u{1f600} \ufffd"}',
      ' [ 1 , 2 ] ',
      'null',
      '"\\u00e9"',
    ]) {
      expect(readFrom(serde, Buffer.from(text))).toEqual(JSON.parse(text))
    }
  })

  it.each([
    ['', 'json: the value is empty'],
    ['{"a":1', 'json: '],
    ['{"a":NaN}', 'json: Unexpected token'],
    ['\ufeff{}', 'json: the value begins with a byte order mark'],
  ])('refuses %j', (text, message) => {
    const error = refusal(() => readFrom(serde, Buffer.from(text)))
    expect(error.code).toBe('RECORD_UNREADABLE')
    expect(error.message).toContain(message)
  })

  it('refuses bytes that are not UTF-8', () => {
    const bytes = Buffer.concat([Buffer.from('"'), Buffer.of(0xe9), Buffer.from('"')])
    expect(refusal(() => readFrom(serde, bytes)).message).toBe('json: the bytes are not valid UTF-8')
  })
})
