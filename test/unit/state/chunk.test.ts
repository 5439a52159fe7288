import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ChunkReader, ChunkWriter } from '../../../src/state/chunk.ts'

type Change = readonly [key: Uint8Array, timestampMs: number, value: string | Uint8Array | null]

function read(chunk: Buffer, start: number): unknown[] {
  const reader = new ChunkReader(chunk, start)
  const changes: unknown[] = []
  while (reader.next()) {
    const value = reader.valueEnd < 0 ? null : chunk.toString('hex', reader.valueStart, reader.valueEnd)
    changes.push([chunk.toString('hex', reader.keyStart, reader.keyEnd), reader.timestampMs, value])
  }
  return changes
}

function written(writer: ChunkWriter, changes: readonly Change[]): void {
  for (const [key, timestampMs, value] of changes)
    writer.add(Buffer.from(key), timestampMs, value instanceof Uint8Array ? Buffer.from(value) : value)
}

const asRead = ([key, timestampMs, value]: Change) => [
  Buffer.from(key).toString('hex'),
  timestampMs,
  value === null ? null : Buffer.from(value as string).toString('hex'),
]

const changes = fc.array(
  fc.tuple(
    fc.uint8Array({ maxLength: 6 }),
    fc.constantFrom(0, 1, 1_704_067_200_000, 8.64e15),
    fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 6 }),
      fc.uint8Array({ maxLength: 6 }),
      fc.constant(null),
    ),
  ),
  { maxLength: 20 },
)

describe('a chunk', () => {
  it('gives back the changes that were put into it, in their order', () => {
    fc.assert(
      fc.property(changes, fc.nat(9), (all, offset) => {
        const writer = new ChunkWriter()
        written(writer, all)
        const chunk = writer.take()
        expect(read(Buffer.concat([Buffer.alloc(offset), chunk]), offset)).toEqual(all.map(asRead))
      }),
      { seed: 221, numRuns: 500 },
    )
  })

  it('grows as far as it has to, and says how long it is', () => {
    const writer = new ChunkWriter()
    expect(writer.isEmpty).toBe(true)
    const value = Buffer.alloc(100_000, 7)
    writer.add(Buffer.from('k'), 5, value)
    writer.add(Buffer.from('k'), 6, null)
    const { byteLength } = writer
    expect(writer.isEmpty).toBe(false)
    const chunk = writer.take()
    expect(chunk.length).toBe(byteLength)
    expect(read(chunk, 0)).toHaveLength(2)
  })

  it('stays as it is when the writer goes on', () => {
    const writer = new ChunkWriter()
    written(writer, [[Buffer.from('first'), 1, 'a']])
    const first = writer.take()
    expect([writer.isEmpty, writer.byteLength]).toEqual([true, 0])
    written(writer, [[Buffer.from('other'), 2, 'b']])
    expect(read(first, 0)).toEqual([asRead([Buffer.from('first'), 1, 'a'])])
    expect(read(writer.take(), 0)).toEqual([asRead([Buffer.from('other'), 2, 'b'])])
  })

  it('tells an empty value from a deletion', () => {
    const writer = new ChunkWriter()
    written(writer, [
      [Buffer.from('a'), 1, ''],
      [Buffer.from('b'), 1, null],
    ])
    expect(read(writer.take(), 0)).toEqual([
      ['61', 1, ''],
      ['62', 1, null],
    ])
  })
})
