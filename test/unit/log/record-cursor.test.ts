import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RecordBatchBuilder } from '../../../src/log/record-batch-builder.ts'
import { RecordCursor, type RecordBatches } from '../../../src/log/record-cursor.ts'
import { decodeBatch, encodeBatch, encodeMarker } from '../../support/reference-batch.ts'

type Part = Partial<RecordBatches>

function read(buffers: readonly Buffer[], part: Part = {}, cursor = new RecordCursor()): string[] {
  const buffer = Buffer.concat(buffers)
  cursor.reset({ buffer, start: 0, end: buffer.length, fromOffset: 0n, ...part })
  const found: string[] = []
  while (cursor.next()) found.push(`${cursor.offset}:${cursor.value()?.toString() ?? 'null'}`)
  return found
}

/** A batch of transactional records `value0..` at `baseOffset`. */
const data = (baseOffset: number, producerId: number, ...values: string[]): Buffer =>
  encodeBatch({
    baseOffset,
    producerId,
    epoch: 0,
    baseSequence: 0,
    transactional: true,
    records: values.map((value) => ({ key: 'k', value })),
  })
const aborted = (...list: [number, number][]): Part => ({
  aborted: list.map(([producerId, first]) => ({
    producerId: BigInt(producerId),
    firstOffset: BigInt(first),
  })),
})

describe('RecordCursor', () => {
  it('reads what the builder wrote, as the reference decoder reads it', () => {
    const bytes = fc.option(fc.string({ unit: 'binary', maxLength: 80 }))
    const record = fc.tuple(
      fc.integer(),
      bytes,
      bytes,
      fc.array(fc.tuple(fc.string(), bytes), { maxLength: 3 }),
    )
    const cursor = new RecordCursor()
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 40 }), (records) => {
        const builder = new RecordBatchBuilder()
        for (const [time, key, value, headers] of records) {
          const list = headers.map(([name, text]) => ({
            key: name,
            value: text === null ? null : Buffer.from(text),
          }))
          builder.append(time, key, value, list)
        }
        const buffer = builder.build({
          producerId: 1n,
          epoch: 0,
          baseSequence: 0,
          transactional: false,
          baseOffset: 1000n,
        })
        cursor.reset({ buffer, start: 0, end: buffer.length, fromOffset: 0n })
        for (const expected of decodeBatch(buffer)) {
          expect(cursor.next()).toBe(true)
          expect(cursor.offsetNumber).toBe(expected.offset)
          expect(cursor.baseOffset + BigInt(cursor.offsetDelta)).toBe(cursor.offset)
          expect(cursor.timestampMs).toBe(expected.timestampMs)
          expect(cursor.key()?.toString() ?? null).toBe(expected.key)
          expect(cursor.value()?.toString() ?? null).toBe(expected.value)
          expect(cursor.hasHeaders).toBe(expected.headers.length > 0)
          const headers = cursor.headers().map(({ key, value }) => [key, value?.toString() ?? null])
          expect(headers).toEqual(expected.headers)
        }
        expect(cursor.next()).toBe(false)
        expect(cursor.position).toBe(BigInt(1000 + records.length))
      }),
      { seed: 21, numRuns: 200 },
    )
  })

  it('tells null apart from empty', () => {
    const cursor = new RecordCursor()
    const buffer = encodeBatch({
      records: [
        { key: null, value: '' },
        { key: '', value: null },
      ],
    })
    cursor.reset({ buffer, start: 0, end: buffer.length, fromOffset: 0n })
    cursor.next()
    expect([cursor.keyEnd, cursor.valueEnd - cursor.valueStart]).toEqual([-1, 0])
    cursor.next()
    expect([cursor.keyEnd - cursor.keyStart, cursor.valueEnd]).toEqual([0, -1])
  })

  it('leaves out records below the offset asked for, in the middle of a batch and whole batches', () => {
    const batches = [data(0, 1, 'a', 'b'), data(2, 1, 'c', 'd', 'e')]
    expect(read(batches, { fromOffset: 3n })).toEqual(['3:d', '4:e'])
    expect(read(batches, { fromOffset: 5n })).toEqual([])
  })

  it('reads only the bytes between start and end', () => {
    const [first, second, third] = [data(0, 1, 'a'), data(1, 1, 'b'), data(2, 1, 'c')]
    const part = { start: first.length, end: first.length + second.length }
    expect(read([first, second, third], part)).toEqual(['1:b'])
  })

  it('gives the time of arrival of the whole batch when the log stamps records', () => {
    const cursor = new RecordCursor()
    const records = [
      { timestampMs: 5, value: 'a' },
      { timestampMs: 9, value: 'b' },
    ]
    const stamped = encodeBatch({ records, logAppendTime: true, maxTimestampMs: 777 })
    const plain = encodeBatch({ baseOffset: 2, records })
    const buffer = Buffer.concat([stamped, plain])
    cursor.reset({ buffer, start: 0, end: buffer.length, fromOffset: 0n })
    const seen: [number, boolean][] = []
    while (cursor.next()) seen.push([cursor.timestampMs, cursor.logAppendTime])
    expect(seen).toEqual([
      [777, true],
      [777, true],
      [5, false],
      [9, false],
    ])
  })

  it('reads timestamps that lie decades and millennia apart', () => {
    const times = [0, -1, 2 ** 31, -(2 ** 40), 2 ** 52, 1, -(2 ** 52)]
    const buffer = encodeBatch({ records: times.map((timestampMs) => ({ timestampMs })) })
    const cursor = new RecordCursor()
    cursor.reset({ buffer, start: 0, end: buffer.length, fromOffset: 0n })
    const seen: number[] = []
    while (cursor.next()) seen.push(cursor.timestampMs)
    expect(seen).toEqual(times)
  })

  it('filters aborted transactions although their list is not sorted', () => {
    const log = [data(0, 1, 'x'), data(1, 2, 'y'), encodeMarker(2, 2, 'abort'), encodeMarker(3, 1, 'abort')]
    expect(read([...log, data(4, 1, 'ok')], aborted([2, 1], [1, 0]))).toEqual(['4:ok'])
  })

  it('filters two transactions that were both open before the offset asked for', () => {
    const log = [data(10, 1, 'x'), data(11, 2, 'y'), data(12, 1, 'x'), data(13, 2, 'y')]
    const markers = [encodeMarker(14, 1, 'abort'), encodeMarker(15, 2, 'abort'), data(16, 1, 'ok')]
    expect(read([...log, ...markers], { ...aborted([1, 3], [2, 5]), fromOffset: 10n })).toEqual(['16:ok'])
  })

  it('does not take a data record with the key 00000000 for an abort marker', () => {
    const zeroKey = encodeBatch({
      producerId: 1,
      transactional: true,
      records: [
        { key: Buffer.alloc(4), value: 'x' },
        { key: 'k', value: 'y' },
      ],
    })
    const log = [zeroKey, data(2, 1, 'z'), encodeMarker(3, 1, 'abort')]
    expect(read(log, aborted([1, 0]))).toEqual([])
  })

  it('filters an aborted transaction whose marker lies outside the fetch', () => {
    expect(read([data(0, 1, 'x'), data(1, 2, 'ok'), data(2, 1, 'x')], aborted([1, 0]))).toEqual(['1:ok'])
  })

  it('passes over a batch that compaction emptied and still moves on', () => {
    const cursor = new RecordCursor()
    const emptied = encodeBatch({
      baseOffset: 1,
      records: [],
      lastOffsetDelta: 8,
      producerId: 1,
      transactional: true,
    })
    expect(read([data(0, 1, 'a'), emptied], {}, cursor)).toEqual(['0:a'])
    expect(cursor.position).toBe(10n)
    expect(read([data(0, 1, 'a'), emptied, data(10, 1, 'b')])).toEqual(['0:a', '10:b'])
  })

  it('passes over an empty control batch, which ends no transaction', () => {
    const empty = encodeBatch({
      baseOffset: 1,
      records: [],
      lastOffsetDelta: 0,
      producerId: 1,
      transactional: true,
      control: true,
    })
    expect(read([data(0, 1, 'x'), empty, data(2, 1, 'x')], aborted([1, 0]))).toEqual([])
    expect(read([data(0, 1, 'x'), empty, data(2, 1, 'y')])).toEqual(['0:x', '2:y'])
  })

  it('delivers a commit of a producer that aborts afterwards', () => {
    const log = [data(0, 1, 'ok'), encodeMarker(1, 1, 'commit'), data(2, 1, 'x'), encodeMarker(3, 1, 'abort')]
    expect(read([...log, data(4, 1, 'ok')], aborted([1, 2]))).toEqual(['0:ok', '4:ok'])
  })

  it('filters two aborted transactions of one producer', () => {
    const log = [data(0, 1, 'x'), encodeMarker(1, 1, 'abort'), data(2, 1, 'ok'), encodeMarker(3, 1, 'commit')]
    const again = [data(4, 1, 'x'), encodeMarker(5, 1, 'abort')]
    expect(read([...log, ...again], aborted([1, 4], [1, 0]))).toEqual(['2:ok'])
  })

  it('delivers what a producer writes outside transactions although its id has aborted', () => {
    const plain = encodeBatch({ baseOffset: 1, producerId: 1, records: [{ value: 'ok' }] })
    expect(read([data(0, 1, 'x'), plain], aborted([1, 0]))).toEqual(['1:ok'])
  })

  it('follows the list of aborted transactions through batches below the offset asked for', () => {
    const log = [data(0, 1, 'x'), encodeMarker(1, 1, 'abort'), data(2, 1, 'ok')]
    expect(read(log, { ...aborted([1, 0]), fromOffset: 2n })).toEqual(['2:ok'])
  })

  it('never delivers a control record', () => {
    expect(read([encodeMarker(0, 1, 'commit'), encodeMarker(1, 1, 'abort')])).toEqual([])
  })

  it('passes over a partial trailing batch wherever it is cut', () => {
    const [whole, last] = [data(0, 1, 'a'), data(1, 1, 'b', 'c')]
    const buffer = Buffer.concat([whole, last])
    const cursor = new RecordCursor()
    for (let cut = 1; cut <= last.length; cut += 1) {
      expect(read([buffer.subarray(0, buffer.length - cut)], {}, cursor)).toEqual(['0:a'])
      expect(cursor.position).toBe(1n)
    }
  })

  it('reads 200,000 records of one batch', () => {
    const builder = new RecordBatchBuilder()
    for (let i = 0; i < 200_000; i += 1) builder.append(i, null, String(i))
    const built = builder.build({ producerId: 1n, epoch: 0, baseSequence: 0, transactional: true })
    const cursor = new RecordCursor()
    cursor.reset({ buffer: built, start: 0, end: built.length, fromOffset: 0n })
    let count = 0
    for (; cursor.next(); count += 1) {
      if (cursor.offsetNumber !== count) throw new Error(`offset ${cursor.offsetNumber} at record ${count}`)
    }
    expect(count).toBe(200_000)
    expect(cursor.value()?.toString()).toBe('199999')
  })

  it('refuses other format versions and compressed batches', () => {
    const refusal = expect.objectContaining({ code: 'RECORD_BATCH_UNSUPPORTED' })
    expect(() => read([encodeBatch({ magic: 1, records: [{}] })])).toThrow(refusal)
    expect(() => read([encodeBatch({ compression: 4, records: [{}] })])).toThrow(refusal)
  })

  it('notices lengths that contradict each other instead of reading on', () => {
    const corrupt = expect.objectContaining({ code: 'RECORD_BATCH_CORRUPT' })
    const batch = data(0, 1, 'abc', 'def')
    const longRecord = Buffer.from(batch)
    longRecord[61] = 0x7e
    expect(() => read([longRecord])).toThrow(corrupt)
    const longValue = Buffer.from(batch)
    longValue[longValue.indexOf('abc') - 1] = 0x3e
    expect(() => read([longValue])).toThrow(corrupt)
    const tooMany = Buffer.from(batch)
    tooMany.writeInt32BE(9, 57)
    expect(() => read([tooMany])).toThrow(corrupt)
  })
})
