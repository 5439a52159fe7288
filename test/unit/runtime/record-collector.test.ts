import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { OutgoingBatch } from '../../../src/log/log.ts'
import { RecordCollector } from '../../../src/runtime/record-collector.ts'
import { recordsOf } from '../../support/chunks.ts'

const OWNER = { producerId: -1n, epoch: -1, baseSequence: -1, transactional: false }
const KIB = 1024

/** What lies in batches, by topic and partition, in order: `time key value`. */
function contents(batches: readonly OutgoingBatch[]): Record<string, string[]> {
  const found: Record<string, string[]> = {}
  for (const { topic, partition, records } of batches) {
    const texts = recordsOf(records.build(OWNER)).map(
      ({ timestampMs, key, value }) => `${timestampMs} ${String(key)} ${value?.length ?? 'null'}`,
    )
    ;(found[`${topic}/${partition}`] ??= []).push(...texts)
  }
  return found
}

describe('RecordCollector', () => {
  it('gathers records by topic and partition, in the order in which they came', () => {
    const collector = new RecordCollector(1_000)
    collector.add('a', 0, 5, 'k1', 'v')
    collector.add('b', 0, 6, null, Buffer.from('vv'))
    collector.add('a', 1, 7, 'k2', null)
    collector.add('a', 0, 4, 'k3', '')
    expect(contents(collector.take())).toEqual({
      'a/0': ['5 k1 1', '4 k3 0'],
      'a/1': ['7 k2 null'],
      'b/0': ['6 null 2'],
    })
  })

  it('keeps headers, in their order', () => {
    const collector = new RecordCollector(1_000)
    const headers = [
      { key: 'h', value: Buffer.from('1') },
      { key: 'h', value: null },
    ]
    collector.add('a', 0, 5, 'k', 'v', headers)
    expect(recordsOf(collector.take()[0]!.records.build(OWNER))[0]!.headers).toEqual(headers)
  })

  it('gives everything once: what is added later belongs to the next time', () => {
    const collector = new RecordCollector(1_000)
    collector.add('a', 0, 5, 'k1', 'v')
    const first = collector.take()
    collector.add('a', 0, 6, 'k2', 'v')
    expect(contents(first)).toEqual({ 'a/0': ['5 k1 1'] })
    expect(contents(collector.take())).toEqual({ 'a/0': ['6 k2 1'] })
    expect(collector.take()).toEqual([])
  })

  it('begins a new batch when one has become large, and keeps the order over batches', () => {
    const collector = new RecordCollector(1_000_000)
    for (let index = 0; index < 20; index++) collector.add('a', 0, index, 'k', 'x'.repeat(50 * KIB))
    const batches = collector.take()
    expect(batches.length).toBeGreaterThan(2)
    expect(contents(batches)['a/0']).toEqual(
      Array.from({ length: 20 }, (_, index) => `${index} k ${50 * KIB}`),
    )
  })

  it('makes no batch larger than the largest record may be, with its framing: topics refuse larger ones', () => {
    const maxRecordBytes = 1_000_000
    const collector = new RecordCollector(maxRecordBytes)
    for (const size of [200_000, 990_000, 10, 990_000, 250_000, 250_000])
      collector.add('a', 0, 0, 'k', 'x'.repeat(size))
    for (const { records } of collector.take())
      expect(records.byteLength).toBeLessThanOrEqual(maxRecordBytes + 128)
  })
})

describe('RecordCollector, undo', () => {
  it('takes back what a unit added, whatever was gathered before, over topics and batches', () => {
    const add = fc.record({
      kind: fc.constant('add' as const),
      topic: fc.constantFrom('a', 'b'),
      partition: fc.nat(1),
      bytes: fc.constantFrom(1, 100 * KIB, 300 * KIB),
    })
    const steps = fc.array(
      fc.oneof(
        { weight: 5, arbitrary: add },
        { weight: 1, arbitrary: fc.record({ kind: fc.constant('begin' as const) }) },
        { weight: 1, arbitrary: fc.record({ kind: fc.constant('rollback' as const) }) },
        { weight: 1, arbitrary: fc.record({ kind: fc.constant('take' as const) }) },
      ),
      { maxLength: 40 },
    )
    fc.assert(
      fc.property(steps, (all) => {
        const collector = new RecordCollector(1_000_000)
        let model: readonly (readonly [place: string, text: string])[] = []
        let mark = model
        const check = (): void => {
          const expected: Record<string, string[]> = {}
          for (const [place, text] of model) (expected[place] ??= []).push(text)
          expect(contents(collector.take())).toEqual(expected)
          model = []
          mark = model
        }
        all.forEach((step, index) => {
          if (step.kind === 'begin') {
            collector.begin()
            mark = model
          } else if (step.kind === 'rollback') {
            collector.rollback()
            model = mark
          } else if (step.kind === 'take') {
            check()
          } else {
            const { topic, partition, bytes } = step
            collector.add(topic, partition, index, 'k', 'x'.repeat(bytes))
            model = [...model, [`${topic}/${partition}`, `${index} k ${bytes}`]]
          }
        })
        check()
      }),
      { seed: 451, numRuns: 150 },
    )
  })

  it('knows how much is waiting, also after undoing', () => {
    const collector = new RecordCollector(1_000_000)
    expect(collector.pendingBytes).toBe(0)
    collector.add('a', 0, 0, 'k', 'x'.repeat(100))
    const before = collector.pendingBytes
    expect(before).toBeGreaterThan(100)
    collector.begin()
    for (let index = 0; index < 10; index++) collector.add('a', index % 2, 0, 'k', 'x'.repeat(100 * KIB))
    expect(collector.pendingBytes).toBeGreaterThan(before + 10 * 100 * KIB)
    collector.rollback()
    expect(collector.pendingBytes).toBe(before)
    collector.take()
    expect(collector.pendingBytes).toBe(0)
  })
})

describe('RecordCollector, sizes', () => {
  const tooLarge = expect.objectContaining({
    code: 'OUTPUT_TOO_LARGE',
    message: expect.stringContaining('out'),
  })

  it('refuses a record that no topic would take, and adds nothing of it', () => {
    const collector = new RecordCollector(1_000)
    expect(() => collector.add('out', 0, 0, 'k', 'x'.repeat(1_000))).toThrow(tooLarge)
    expect(() => collector.add('out', 0, 0, Buffer.alloc(500), Buffer.alloc(500))).toThrow(tooLarge)
    expect(() => collector.add('out', 0, 0, 'k', 'v', [{ key: 'h', value: Buffer.alloc(1_000) }])).toThrow(
      tooLarge,
    )
    expect(collector.take()).toEqual([])
  })

  it('counts bytes, not characters', () => {
    const collector = new RecordCollector(1_000)
    expect(() => collector.add('out', 0, 0, 'k', 'ä'.repeat(490))).toThrow(tooLarge)
    collector.add('out', 0, 0, 'k', 'ä'.repeat(460))
    collector.add('out', 0, 0, 'k', 'x'.repeat(930))
    expect(contents(collector.take())['out/0']).toHaveLength(2)
  })

  it('takes no record that is larger than it says, headers included', () => {
    const header = fc.record({
      key: fc.string({ unit: 'grapheme', maxLength: 20 }),
      value: fc.option(fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes))),
    })
    const bytes = fc.option(
      fc.oneof(
        fc.string({ unit: 'grapheme', maxLength: 300 }),
        fc.nat(600).map((size) => Buffer.alloc(size)),
      ),
    )
    fc.assert(
      fc.property(bytes, bytes, fc.array(header, { maxLength: 8 }), (key, value, headers) => {
        const collector = new RecordCollector(512)
        try {
          collector.add('out', 0, 0, key, value, headers)
        } catch (error) {
          expect(error).toEqual(tooLarge)
          return
        }
        const [batch] = collector.take()
        const frame = 61
        expect(batch!.records.byteLength - frame).toBeLessThanOrEqual(512)
      }),
      { seed: 452, numRuns: 1000 },
    )
  })
})
