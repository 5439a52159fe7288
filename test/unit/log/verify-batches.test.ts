import { describe, expect, it } from 'vitest'
import { RecordError } from '../../../src/errors.ts'
import { verifyBatches } from '../../../src/log/verify-batches.ts'
import { encodeBatch } from '../../support/reference-batch.ts'

const batch = (baseOffset: number): Buffer =>
  encodeBatch({ baseOffset, records: [{ key: 'k', value: 'some value' }, { value: 'another' }] })
const check = (buffer: Buffer, start = 0, end = buffer.length): void =>
  verifyBatches({ buffer, start, end, fromOffset: 0n })

describe('verifyBatches', () => {
  it('accepts whole batches and an empty range', () => {
    check(Buffer.concat([batch(0), batch(2)]))
    check(Buffer.alloc(0))
  })

  it('finds every flipped bit that the checksum covers', () => {
    const whole = batch(4)
    for (let at = 17; at < whole.length; at += 1) {
      const damaged = Buffer.from(whole)
      damaged[at] = damaged[at]! ^ 0x10
      expect(() => check(damaged)).toThrow(RecordError)
    }
  })

  it('names the offset and the code', () => {
    const damaged = Buffer.concat([batch(0), batch(2)])
    damaged[damaged.length - 1] = 0x55
    expect(() => check(damaged)).toThrow(
      expect.objectContaining({ code: 'RECORD_BATCH_CORRUPT', message: expect.stringContaining('offset 2') }),
    )
  })

  it('passes over a partial batch at the end', () => {
    const whole = Buffer.concat([batch(0), batch(2)])
    for (let cut = 1; cut < batch(2).length; cut += 1) check(whole, 0, whole.length - cut)
  })

  it('refuses a length that leads backward', () => {
    const damaged = batch(0)
    damaged.writeInt32BE(-5, 8)
    expect(() => check(damaged)).toThrow('shorter than its header')
  })
})
