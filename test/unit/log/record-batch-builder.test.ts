import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RecordBatchBuilder, type BatchMark } from '../../../src/log/record-batch-builder.ts'
import { decodeBatch, encodeBatch, type ReferenceRecord } from '../../support/reference-batch.ts'

const OWNER = { producerId: 7n, epoch: 3, baseSequence: 40, transactional: true }
const newMark = (): BatchMark => ({ byteLength: 0, count: 0, baseTimestampMs: 0, maxTimestampMs: 0 })

function fill(builder: RecordBatchBuilder, records: readonly ReferenceRecord[]): void {
  for (const { timestampMs, key, value, headers } of records) {
    builder.append(
      timestampMs ?? 0,
      (key as string | Buffer | null) ?? null,
      value ?? null,
      headers?.map(([name, text]) => ({ key: name, value: text === null ? null : Buffer.from(text) })),
    )
  }
}

const text = fc.oneof(fc.string({ maxLength: 12 }), fc.string({ unit: 'binary', maxLength: 90 }))
const bytes = fc.oneof(
  fc.constant(null),
  text,
  fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array)),
)
const record: fc.Arbitrary<ReferenceRecord> = fc.record({
  timestampMs: fc.oneof(
    fc.integer(),
    fc.maxSafeInteger().map((value) => Math.trunc(value / 4)),
  ),
  key: bytes,
  value: bytes,
  headers: fc.oneof(fc.constant([]), fc.array(fc.tuple(text, fc.option(text)), { maxLength: 3 })),
})

describe('RecordBatchBuilder', () => {
  it('writes the same bytes as the reference encoder', () => {
    const builder = new RecordBatchBuilder(61)
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 30 }), (records) => {
        builder.reset()
        fill(builder, records)
        const reference = encodeBatch({ ...OWNER, producerId: 7, records })
        expect(builder.byteLength).toBe(reference.length)
        expect(Buffer.from(builder.build(OWNER))).toEqual(reference)
      }),
      { seed: 11, numRuns: 300 },
    )
  })

  it('writes a batch that was spelt out by hand', () => {
    const builder = new RecordBatchBuilder()
    builder.append(1000, 'k', 'v')
    const built = builder.build({ ...OWNER, baseOffset: 5n })
    const head = '0000000000000005' + '0000003a' + 'ffffffff' + '02'
    const body =
      '0010' + '00000000' + '00000000000003e8' + '00000000000003e8' + '0000000000000007' + '0003' + '00000028'
    expect(built.toString('hex').slice(0, 34)).toBe(head)
    expect(built.toString('hex').slice(42)).toBe(
      body + '00000001' + '10' + '00' + '00' + '00' + '026b' + '0276' + '00',
    )
  })

  it('keeps lone surrogates readable as the replacement character', () => {
    const builder = new RecordBatchBuilder()
    builder.append(0, null, 'a\ud800b')
    expect(decodeBatch(builder.build(OWNER))[0]?.value).toBe('a\ufffdb')
  })

  it('moves the bytes where text is longer than its characters', () => {
    const builder = new RecordBatchBuilder(61)
    for (const length of [20, 21, 22, 31, 32, 33, 62, 63, 64, 2700, 2731, 8191, 350_000]) {
      builder.reset()
      builder.append(0, 'é'.repeat(length), '温'.repeat(length))
      const [only] = decodeBatch(builder.build(OWNER))
      expect(only?.key).toBe('é'.repeat(length))
      expect(only?.value).toBe('温'.repeat(length))
    }
  })

  it('bounds the size of every record from above', () => {
    fc.assert(
      fc.property(record, (one) => {
        const builder = new RecordBatchBuilder()
        fill(builder, [{ timestampMs: -(2 ** 51) }])
        const before = builder.byteLength
        fill(builder, [one])
        const bound = RecordBatchBuilder.recordSizeBound(
          (one.key as string | Buffer | null) ?? null,
          one.value ?? null,
          one.headers?.map(([key, value]) => ({ key, value: value === null ? null : Buffer.from(value) })),
        )
        expect(builder.byteLength - before).toBeLessThanOrEqual(bound)
      }),
      { seed: 12, numRuns: 300 },
    )
  })

  it('takes appended records back to a mark, the timestamps too', () => {
    const builder = new RecordBatchBuilder()
    const mark = newMark()
    builder.mark(mark)
    builder.append(99, 'gone', 'gone')
    builder.rollback(mark)
    expect(builder.count).toBe(0)
    expect(builder.maxTimestampMs).toBe(-1)
    builder.append(10, 'a', '1')
    builder.mark(mark)
    builder.append(500, 'b', '2')
    builder.append(400, 'c', '3')
    expect(builder.maxTimestampMs).toBe(500)
    builder.rollback(mark)
    builder.append(20, 'd', '4')
    const reference = encodeBatch({
      ...OWNER,
      producerId: 7,
      records: [
        { timestampMs: 10, key: 'a', value: '1' },
        { timestampMs: 20, key: 'd', value: '4' },
      ],
    })
    expect(Buffer.from(builder.build(OWNER))).toEqual(reference)
    expect(builder.maxTimestampMs).toBe(20)
  })

  it('refuses a mark that lies ahead', () => {
    const builder = new RecordBatchBuilder()
    const mark = newMark()
    builder.append(1, 'a', 'b')
    builder.mark(mark)
    builder.reset()
    expect(() => builder.rollback(mark)).toThrow('a mark lies at or before the end')
  })

  it('refuses an empty batch and a timestamp that is not an integer', () => {
    const builder = new RecordBatchBuilder()
    expect(() => builder.build(OWNER)).toThrow('at least one record')
    expect(() => builder.append(1.5, null, null)).toThrow('a timestamp is an integer')
  })

  it('can be built again for another owner', () => {
    const builder = new RecordBatchBuilder()
    builder.append(1, 'a', 'b')
    builder.build(OWNER)
    const again = builder.build({ producerId: -1n, epoch: -1, baseSequence: -1, transactional: false })
    const records = [{ timestampMs: 1, key: 'a', value: 'b' }]
    expect(Buffer.from(again)).toEqual(encodeBatch({ records }))
  })
})
