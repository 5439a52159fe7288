import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { filterBatch } from '../../../../src/log/embedded/batch-filter.ts'
import { decodeBatch, encodeBatch } from '../../../support/reference-batch.ts'

describe('filterBatch', () => {
  it('writes what the reference encoder writes for the records that are left', () => {
    const record = fc.record({
      timestampMs: fc.nat(10_000),
      key: fc.string(),
      value: fc.option(fc.string({ maxLength: 80 })),
      headers: fc.array(fc.tuple(fc.string(), fc.option(fc.string())), { maxLength: 2 }),
    })
    fc.assert(
      fc.property(fc.array(fc.tuple(record, fc.boolean()), { minLength: 1, maxLength: 20 }), (list) => {
        const head = { baseOffset: 70, producerId: 3, epoch: 1, baseSequence: 9, transactional: true }
        const records = list.map(([one], i) => ({ ...one, offsetDelta: i }))
        const batch = encodeBatch({ ...head, records })
        const filtered = filterBatch(batch, ({ offsetDelta }) => list[offsetDelta]![1])
        const kept = records.filter((_, i) => list[i]![1])
        if (kept.length === 0 || kept.length === records.length) {
          expect(filtered).toBe(kept.length === 0 ? null : batch)
          return
        }
        expect(filtered!.readInt32BE(23)).toBe(records.length - 1)
        expect(decodeBatch(filtered!)).toEqual(decodeBatch(batch).filter((_, i) => list[i]![1]))
        // The first timestamp stays the base, also when its record is gone.
        const maxTimestampMs = Math.max(...kept.map(({ timestampMs }) => timestampMs))
        expect(Number(filtered!.readBigInt64BE(35))).toBe(maxTimestampMs)
        expect(filtered!.readBigInt64BE(27)).toBe(batch.readBigInt64BE(27))
      }),
      { seed: 51, numRuns: 300 },
    )
  })

  it('gives the batch a checksum that fits, and leaves the original as it was', async () => {
    const { verifyBatches } = await import('../../../../src/log/verify-batches.ts')
    const batch = encodeBatch({ records: [{ value: 'a' }, { value: 'b' }] })
    const before = Buffer.from(batch)
    const filtered = filterBatch(batch, ({ offsetDelta }) => offsetDelta === 1)!
    verifyBatches({ buffer: filtered, start: 0, end: filtered.length, fromOffset: 0n })
    expect(batch).toEqual(before)
  })

  it('keeps the time of arrival of a stamped batch', () => {
    const batch = encodeBatch({
      logAppendTime: true,
      maxTimestampMs: 999,
      records: [{ timestampMs: 1 }, { timestampMs: 2 }],
    })
    expect(filterBatch(batch, ({ offsetDelta }) => offsetDelta === 0)!.readBigInt64BE(35)).toBe(999n)
  })
})
