import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  decodeDifference,
  encodeDifference,
  type Difference,
} from '../../../../src/jobs/reconciliation/difference-record.ts'

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array)),
  fc.string({ unit: 'binary' }).map((text) => Buffer.from(text)),
  fc.constant(Buffer.from('\uFEFF{"a": 1}\n')),
)
const side = fc.record({
  timestampMs: fc.integer({ min: -5, max: 8.64e15 }),
  value: bytes,
  headers: fc.array(fc.record({ key: fc.string(), value: fc.option(bytes) }), { maxLength: 3 }),
})

/** Bytes as texts: these are compared at once. */
function plain(difference: Difference): unknown {
  return JSON.parse(JSON.stringify(difference, (_name, value: unknown) => asText(value)))
}

function asText(value: unknown): unknown {
  const { type, data } = (value ?? {}) as { type?: unknown; data?: number[] }
  return type === 'Buffer' ? Buffer.from(data!).toString('base64') : value
}

describe('a kept difference', () => {
  it('is read as it was written, with every byte of both sides', () => {
    const difference = fc.record({
      kind: fc.constantFrom('changed' as const, 'missing' as const, 'extra' as const),
      topic: fc.constant('aggregates'),
      partition: fc.constant(3),
      fields: fc.array(fc.string()),
      key: bytes,
      published: fc.option(side, { nil: undefined }),
      staged: fc.option(side, { nil: undefined }),
    })
    fc.assert(
      fc.property(difference, (kept: Difference) => {
        const value = Buffer.from(encodeDifference(kept))
        expect(plain(decodeDifference(3, kept.key, value))).toEqual(plain(kept))
      }),
      { numRuns: 300, seed: 9 },
    )
  })

  it('is so with long texts too', () => {
    const value = Buffer.alloc(70_001, 'é')
    const side = { timestampMs: 1, value, headers: [] }
    const kept = {
      kind: 'changed',
      topic: 't',
      partition: 0,
      fields: [],
      key: value,
      published: side,
      staged: side,
    }
    const read = decodeDifference(0, value, Buffer.from(encodeDifference(kept as Difference)))
    expect([read.staged!.value.equals(value), read.published!.value.equals(value)]).toEqual([true, true])
  })

  it('that is none is refused', () => {
    const key = Buffer.from('k')
    for (const value of [null, Buffer.from('{'), Buffer.from('{"published":{}}'), Buffer.from('null')]) {
      expect(() => decodeDifference(0, key, value)).toThrow(/cannot be read/)
    }
  })
})
