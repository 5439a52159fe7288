import avro from 'avsc'
import { describe, expect, it } from 'vitest'
import { exactTypes } from '../../../src/serde/avro-types.ts'

const options = { typeHook: exactTypes }
const long = avro.Type.forSchema('long', options)
const text = avro.Type.forSchema('string', options)

/** Zigzag and base 128, by the Avro specification, with big integers. */
function encodeLong(value: bigint): number[] {
  const bytes: number[] = []
  let rest = value >= 0n ? 2n * value : -2n * value - 1n
  for (; rest >= 128n; rest /= 128n) bytes.push(Number(rest % 128n) + 128)
  return [...bytes, Number(rest)]
}

const SAFE = BigInt(Number.MAX_SAFE_INTEGER)
const edges = [
  0n,
  1n,
  63n,
  64n,
  2n ** 30n,
  2n ** 31n,
  2n ** 32n,
  2n ** 51n,
  2n ** 52n,
  2n ** 52n + 3n,
  SAFE - 1n,
]
const longs = edges
  .flatMap((edge) => [edge, edge + 1n, -edge, -edge - 1n])
  .filter((n) => n > -SAFE && n < SAFE)

describe('longs', () => {
  it.each(longs)('write and read %s exactly', (value) => {
    expect([...long.toBuffer(Number(value))]).toEqual(encodeLong(value))
    expect(long.fromBuffer(Buffer.from(encodeLong(value)))).toBe(Number(value))
  })

  it.each([SAFE + 1n, -SAFE - 1n, 2n ** 62n, -(2n ** 63n)])('refuse %s', (value) => {
    expect(() => long.toBuffer(Number(value))).toThrow()
    expect(() => long.fromBuffer(Buffer.from(encodeLong(value))) as unknown).toThrow()
  })

  it('are the same within records, under logical types and when a writer had ints', () => {
    const fields = [{ name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } as const }]
    const reader = avro.Type.forSchema({ type: 'record', name: 'R', fields }, options)
    const at = -(2 ** 52) - 1
    expect(reader.fromBuffer(reader.toBuffer({ at }))).toEqual({ at })
    const writer = avro.Type.forSchema({ type: 'record', name: 'R', fields: [{ name: 'at', type: 'int' }] })
    expect(reader.fromBuffer(writer.toBuffer({ at: -5 }), reader.createResolver(writer))).toEqual({ at: -5 })
  })
})

describe('texts', () => {
  it.each(['', 'a', 'é', '€', '😀', '\ufffd', 'x'.repeat(64), '😀'.repeat(100)])(
    'write and read "%s"',
    (value) => {
      const bytes = Buffer.from(value)
      expect(text.toBuffer(value)).toEqual(Buffer.from([...encodeLong(BigInt(bytes.length)), ...bytes]))
      expect(text.fromBuffer(text.toBuffer(value))).toBe(value)
    },
  )

  it.each(['\ud800', 'a\udc00b', `${'x'.repeat(100)}\ud800`])(
    'refuse to write a lone surrogate (%#)',
    (value) => {
      expect(() => text.toBuffer(value)).toThrow(/surrogate/)
    },
  )

  it.each([[0xff], [0x61, 0xc3], [0xed, 0xa0, 0x80], [0xc0, 0x80]])(
    'refuse to read bytes that are not UTF-8',
    (...bytes) => {
      const encoded = Buffer.from([...encodeLong(BigInt(bytes.length)), ...bytes])
      expect(() => text.fromBuffer(encoded) as unknown).toThrow(/UTF-8/)
    },
  )

  it('are the same where a writer had bytes', () => {
    const resolver = text.createResolver(avro.Type.forSchema('bytes'))
    expect(text.fromBuffer(Buffer.of(2, 0x61), resolver)).toBe('a')
    expect(() => text.fromBuffer(Buffer.of(2, 0xff), resolver) as unknown).toThrow(/UTF-8/)
  })
})
