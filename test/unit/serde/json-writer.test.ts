import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RecordError } from '../../../src/errors.ts'
import { jsonSizeBound, JsonWriter } from '../../../src/serde/json-writer.ts'

const writer = new JsonWriter()

function refusal(action: () => unknown): RecordError {
  try {
    action()
  } catch (error) {
    if (error instanceof RecordError) return error
    throw error
  }
  throw new Error('nothing was refused')
}

describe('jsonSizeBound', () => {
  it('is never below what is written, escapes and wide characters included', () => {
    const anything = fc.jsonValue({ stringUnit: fc.constantFrom('a', '"', '\u0001', '\u20ac', '\u{1f600}') })
    fc.assert(
      fc.property(anything, (value) => {
        expect(Buffer.byteLength(writer.write(value))).toBeLessThanOrEqual(jsonSizeBound(value))
      }),
      { seed: 3, numRuns: 1000 },
    )
    const longestNumber = -2.2250738585072014e-308
    expect(writer.write(longestNumber).length).toBeLessThanOrEqual(jsonSizeBound(longestNumber))
  })
})

describe('JsonWriter refuses', () => {
  const cycle: Record<string, unknown> = {}
  cycle['self'] = cycle
  const anyDeep = (levels: number): unknown => (levels === 0 ? 1 : [anyDeep(levels - 1)])

  it.each([
    ['NaN', { a: [1, { b: NaN }] }, 'json: $.a[1].b: NaN is not a JSON number'],
    ['an infinity', -Infinity, 'json: $: -Infinity is not a JSON number'],
    ['no value', undefined, 'json: $: there is no value (undefined)'],
    ['an undefined element', [undefined], 'json: $[0]: undefined would become null'],
    ['a BigInt', { offset: 1n }, 'json: $.offset: JSON has no BigInt; write it as text'],
    ['a lone surrogate', { a: 'x\ud800' }, 'json: $.a: the text has a lone surrogate and so no UTF-8 form'],
    ['a lone surrogate in a key', { '\udc00': 1 }, 'lone surrogate'],
    ['a function', { f: () => 1 }, 'json: $.f: a function cannot be written'],
    ['a symbol', [Symbol('s')], 'json: $[0]: a symbol cannot be written'],
    ['a Map', { m: new Map([[1, 2]]) }, 'json: $.m: a value of type Map cannot be written'],
    ['a Set', new Set([1]), 'json: $: a value of type Set cannot be written'],
    ['bytes', { b: new Uint8Array(2) }, 'json: $.b: a value of type Uint8Array cannot be written'],
    ['an error', new Error('x'), 'json: $: a value of type Error cannot be written'],
    ['an invalid date', { d: new Date(NaN) }, 'json: $.d: an invalid date'],
    ['a cycle', cycle, 'more than 256 levels deep, or a cycle'],
    ['an endless toJSON', { toJSON: () => ({ toJSON: (): unknown => cycle }) }, 'or a cycle'],
  ])('%s', (_what, value, message) => {
    const error = refusal(() => writer.write(value))
    expect(error.code).toBe('RECORD_UNWRITABLE')
    expect(error.message).toContain(message)
  })

  it('nothing up to 256 levels, and says Infinity where only writing can tell the size', () => {
    expect(writer.write(anyDeep(257))).toBe('['.repeat(257) + '1' + ']'.repeat(257))
    expect(() => writer.write(anyDeep(258))).toThrow('levels deep')
    expect(jsonSizeBound(cycle)).toBe(Infinity)
    expect(jsonSizeBound({ d: new Date(0) })).toBe(Infinity)
    expect(jsonSizeBound(1n)).toBe(Infinity)
  })
})

describe('JsonWriter with a field list', () => {
  it('tells where a refused value stands, in listed and other fields', () => {
    const rows = new JsonWriter(['id', 'n'])
    expect(() => rows.write({ id: 'a', n: NaN })).toThrow('json: $.n: NaN is not a JSON number')
    expect(() => rows.write({ id: 'a', other: [{ x: NaN }] })).toThrow('json: $.other[0].x: NaN')
    expect(() => rows.write(undefined)).toThrow('there is no value')
  })

  it('refuses a list that makes no sense', () => {
    expect(() => new JsonWriter(['id', 'id'])).toThrow(RangeError)
    expect(() => new JsonWriter(['toString'])).toThrow('toString cannot be a listed field')
  })
})
