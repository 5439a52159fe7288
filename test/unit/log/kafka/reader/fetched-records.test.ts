import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { compressBatch } from '../../../../../src/log/kafka/codec/compressed-batch.ts'
import { CODEC_NUMBERS, loadCodecs } from '../../../../../src/log/kafka/codec/codecs.ts'
import { fetchedRecords } from '../../../../../src/log/kafka/reader/fetched-records.ts'
import { RecordBatchBuilder } from '../../../../../src/log/record-batch-builder.ts'
import { RecordCursor, type AbortedTransaction } from '../../../../../src/log/record-cursor.ts'
import { encodeBatch, encodeMarker } from '../../../../support/reference-batch.ts'

interface Read {
  readonly records: string[]
  readonly next: number
}

function read(bytes: readonly Buffer[], from = 0, ...aborted: [producerId: number, first: number][]): Read {
  const list = aborted.map(([producerId, first]) => ({
    producerId: BigInt(producerId),
    firstOffset: BigInt(first),
  }))
  return readAll(Buffer.concat(bytes), from, list)
}

function readAll(bytes: Buffer, from: number, aborted: readonly AbortedTransaction[]): Read {
  const { batches, nextOffset } = fetchedRecords(bytes, BigInt(from), aborted)
  const cursor = new RecordCursor()
  cursor.reset(batches)
  const records: string[] = []
  while (cursor.next()) records.push(`${cursor.offset}:${cursor.value()?.toString() ?? 'null'}`)
  return { records, next: Number(nextOffset) }
}

/** Transactional records of a producer. */
const data = (baseOffset: number, producerId: number, ...values: string[]): Buffer =>
  encodeBatch({
    baseOffset,
    producerId,
    epoch: 0,
    baseSequence: 0,
    transactional: true,
    records: values.map((value) => ({ key: 'k', value })),
  })

/** What compaction leaves of a batch of which no record is kept, to remember its producer's sequence. */
const emptied = (baseOffset: number, lastOffsetDelta: number, producerId: number, control = false): Buffer =>
  encodeBatch({
    baseOffset,
    lastOffsetDelta,
    producerId,
    epoch: 0,
    transactional: true,
    control,
    records: [],
  })

describe('fetched records', () => {
  it('leave out aborted ones, whatever the order in which the broker lists the transactions', () => {
    // 1 begins first and ends last: brokers list by the end.
    const bytes = [
      data(0, 1, 'x'),
      data(1, 2, 'y'),
      data(2, 3, 'kept'),
      encodeMarker(3, 2, 'abort'),
      data(4, 1, 'x'),
      encodeMarker(5, 3, 'commit'),
      encodeMarker(6, 1, 'abort'),
    ]
    const expected = { records: ['2:kept'], next: 7 }
    expect(read(bytes, 0, [2, 1], [1, 0])).toEqual(expected)
    expect(read(bytes, 0, [1, 0], [2, 1])).toEqual(expected)
  })

  it('leave out two transactions that both were open before the offset asked for', () => {
    const bytes = [
      data(10, 1, 'x'),
      data(11, 2, 'y'),
      encodeMarker(12, 1, 'abort'),
      encodeMarker(13, 2, 'abort'),
    ]
    expect(read(bytes, 10, [1, 3], [2, 5])).toEqual({ records: [], next: 14 })
  })

  it('take no data record for a marker, though its key be that of an abort', () => {
    const lookalike = encodeBatch({
      baseOffset: 0,
      producerId: 1,
      epoch: 0,
      baseSequence: 0,
      transactional: true,
      records: [{ key: Buffer.from([0, 0, 0, 0]), value: 'x' }],
    })
    const bytes = [lookalike, data(1, 1, 'x'), encodeMarker(2, 1, 'abort'), data(3, 2, 'kept')]
    expect(read(bytes, 0, [1, 0])).toEqual({ records: ['3:kept'], next: 4 })
  })

  it('leave out a transaction whose marker lies behind what was fetched', () => {
    expect(read([data(0, 1, 'x'), data(1, 2, 'kept')], 0, [1, 0])).toEqual({ records: ['1:kept'], next: 2 })
  })

  it('move on over emptied batches, also when there is nothing else', () => {
    expect(read([emptied(4, 5, 1)], 2)).toEqual({ records: [], next: 10 })
    expect(read([emptied(0, 3, 1), data(4, 2, 'a'), emptied(5, 94, 1)])).toEqual({
      records: ['4:a'],
      next: 100,
    })
  })

  it('move on over emptied control batches, which end no transaction', () => {
    const bytes = [data(0, 1, 'x'), emptied(1, 0, 1, true), data(2, 1, 'x'), encodeMarker(3, 1, 'abort')]
    expect(read(bytes, 0, [1, 0])).toEqual({ records: [], next: 4 })
    expect(read([emptied(7, 0, 1, true)], 7)).toEqual({ records: [], next: 8 })
  })

  it('keep what a producer committed before and after what it aborted', () => {
    const bytes = [
      data(0, 1, 'kept'),
      encodeMarker(1, 1, 'commit'),
      data(2, 1, 'x'),
      encodeMarker(3, 1, 'abort'),
      data(4, 1, 'kept'),
      encodeMarker(5, 1, 'commit'),
    ]
    expect(read(bytes, 0, [1, 2])).toEqual({ records: ['0:kept', '4:kept'], next: 6 })
  })

  it('end before a batch that is cut off, which is fetched again', () => {
    const whole = data(0, 1, 'a', 'b')
    const cut = data(2, 1, 'c', 'd')
    for (const length of [1, 12, 17, 60, 61, cut.length - 1]) {
      expect(read([whole, cut.subarray(0, length)])).toEqual({ records: ['0:a', '1:b'], next: 2 })
    }
    expect(read([cut.subarray(0, 40)], 2)).toEqual({ records: [], next: 2 })
    expect(read([])).toEqual({ records: [], next: 0 })
  })

  it('may be 200,000 in one batch', () => {
    const count = 200_000
    const builder = new RecordBatchBuilder()
    for (let i = 0; i < count; i += 1) builder.append(0, 'k', `${i}`)
    const bytes = builder.build({ producerId: -1n, epoch: -1, baseSequence: -1, transactional: false })
    const { records, next } = read([bytes])
    expect(next).toBe(count)
    expect(records).toHaveLength(count)
    expect(records.at(-1)).toBe(`${count - 1}:${count - 1}`)
  })

  it('are refused when a byte has flipped, wherever', () => {
    const good = Buffer.concat([data(0, 1, 'first'), data(1, 1, 'second')])
    const second = data(0, 1, 'first').length
    // Base offset, length and leader epoch are not covered; the checksum's own bytes are.
    for (let at = second + 17; at < good.length; at += 1) {
      const bad = Buffer.from(good)
      bad[at]! ^= 0x10
      expect(() => read([bad]), `byte ${at}`).toThrow(
        expect.objectContaining({ name: 'RecordError', code: 'RECORD_BATCH_CORRUPT' }),
      )
    }
  })

  it('of other format versions are refused by name', () => {
    const old = encodeBatch({ magic: 1, records: [{ value: 'a' }] })
    expect(() => read([old])).toThrow(expect.objectContaining({ code: 'RECORD_BATCH_UNSUPPORTED' }))
  })

  it('begin in the middle of a batch where that was asked for, and never lead back', () => {
    expect(read([data(0, 1, 'a', 'b', 'c')], 1)).toEqual({ records: ['1:b', '2:c'], next: 3 })
    expect(read([data(0, 1, 'a')], 5)).toEqual({ records: [], next: 5 })
  })
})

describe('compressed batches', () => {
  beforeAll(() => loadCodecs())

  for (const compression of ['gzip', 'snappy', 'lz4', 'zstd'] as const) {
    it(`are unpacked: ${compression}, among plain, aborted and control batches`, () => {
      const long = 'v'.repeat(100_000)
      const bytes = [
        data(0, 1, 'plain'),
        compressBatch(data(1, 1, 'a', long, 'b'), compression),
        encodeMarker(4, 1, 'commit'),
        compressBatch(data(5, 2, 'x'), compression),
        encodeMarker(6, 2, 'abort'),
        compressBatch(data(7, 1, 'c'), compression),
        compressBatch(data(8, 1, 'cut off'), compression).subarray(0, -1),
      ]
      const { records, next } = read(bytes, 0, [2, 5])
      expect(records).toEqual(['0:plain', '1:a', `2:${long}`, '3:b', '7:c'])
      expect(next).toBe(8)
    })

    it(`are refused when they cannot be unpacked: ${compression}`, () => {
      const unpacked = encodeBatch({
        records: [{ value: 'never packed' }],
        compression: CODEC_NUMBERS[compression],
      })
      expect(() => read([unpacked])).toThrow(expect.objectContaining({ code: 'RECORD_BATCH_CORRUPT' }))
    })
  }

  it('of an unknown codec are refused by name', () => {
    const odd = encodeBatch({ records: [{ value: 'a' }], compression: 7 })
    expect(() => read([odd])).toThrow(expect.objectContaining({ code: 'RECORD_BATCH_UNSUPPORTED' }))
  })
})

/** A partition as a broker would keep it, with what it would answer to a fetch; and what must be delivered. */
class ModelPartition {
  readonly batches: Buffer[] = []
  readonly bases: number[] = []
  readonly committed: string[] = []
  end = 0
  private readonly open = new Map<number, { first: number; records: string[] }>()
  private readonly aborts: { producerId: number; first: number; last: number }[] = []

  append(producerId: number, count: number): void {
    const transaction = this.open.get(producerId) ?? { first: this.end, records: [] }
    this.open.set(producerId, transaction)
    const values = Array.from({ length: count }, (_, i) => `p${producerId}-${this.end + i}`)
    values.forEach((value, i) => transaction.records.push(`${this.end + i}:${value}`))
    this.push(data(this.end, producerId, ...values), count)
  }

  finish(producerId: number, type: 'commit' | 'abort'): void {
    const transaction = this.open.get(producerId)
    if (transaction === undefined) return
    this.open.delete(producerId)
    if (type === 'commit') this.committed.push(...transaction.records)
    else this.aborts.push({ producerId, first: transaction.first, last: this.end })
    this.push(encodeMarker(this.end, producerId, type), 1)
  }

  /** Everything from the batch that holds `from`, up to the last stable offset, in the order of the abort index. */
  fetch(from: number): { bytes: Buffer; aborted: AbortedTransaction[]; stable: number } {
    const stable = Math.min(this.end, ...[...this.open.values()].map(({ first }) => first))
    const visible = this.batches.filter((batch, i) => {
      const next = this.bases[i + 1] ?? this.end
      return next > from && this.bases[i]! < stable && batch.length > 0
    })
    const aborted = this.aborts
      .filter(({ last, first }) => last >= from && first < stable)
      .map(({ producerId, first }) => ({ producerId: BigInt(producerId), firstOffset: BigInt(first) }))
    return { bytes: Buffer.concat(visible), aborted, stable }
  }

  private push(batch: Buffer, offsets: number): void {
    this.batches.push(batch)
    this.bases.push(this.end)
    this.end += offsets
  }
}

describe('fetched records of random histories', () => {
  it('are the committed ones from the offset asked for up to the last stable offset', () => {
    const step = fc.record({
      producer: fc.integer({ min: 1, max: 4 }),
      what: fc.constantFrom('append', 'append', 'append', 'commit', 'abort'),
      count: fc.integer({ min: 1, max: 3 }),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.nat(60), (steps, wanted) => {
        const partition = new ModelPartition()
        for (const { producer, what, count } of steps) {
          if (what === 'append') partition.append(producer, count)
          else partition.finish(producer, what === 'commit' ? 'commit' : 'abort')
        }
        const from = Math.min(wanted, partition.end)
        const { bytes, aborted, stable } = partition.fetch(from)
        const offsetOf = (record: string): number => Number(record.split(':')[0])
        const expected = partition.committed
          .filter((record) => offsetOf(record) >= from && offsetOf(record) < stable)
          .sort((a, b) => offsetOf(a) - offsetOf(b))
        expect(readAll(bytes, from, aborted)).toEqual({ records: expected, next: Math.max(from, stable) })
      }),
      { seed: 4, numRuns: 500 },
    )
  })
})
