import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { EngineEntry, EngineOp } from '../../../../src/log/embedded/engine.ts'
import { put, read } from '../../../../src/log/embedded/stored-entries.ts'

const offset = fc.maxSafeNat()
const number = fc.nat({ max: 2 ** 32 - 1 })
const stored = (op: EngineOp): EngineEntry => ({ key: op.key, value: op.value! })

describe('stored entries', () => {
  it('give back what was put in', () => {
    fc.assert(
      fc.property(
        offset,
        offset,
        offset,
        number,
        fc.integer(),
        fc.integer(),
        (a, b, c, bytes, first, last) => {
          expect(read.meta(stored(put.meta('producerId', a)))).toBe(a)
          const partition = { start: a, endBound: b, cleanedTo: c }
          expect(read.partition(stored(put.partition(7, partition)))).toEqual(partition)
          const entry = {
            base: a,
            last: b,
            bytes,
            firstTimestampMs: first,
            maxTimestampMs: last,
            tombstonesUntilMs: c,
          }
          expect(read.index(stored(put.index(3, entry)))).toEqual(entry)
          const holder = { producerId: a, epoch: 3, lastUsedMs: b }
          expect(read.transactionalId(stored(put.transactionalId('id', holder)))).toEqual({
            id: 'id',
            entry: holder,
          })
          const group = { generation: bytes }
          expect(read.group(stored(put.group('g', group)))).toEqual({ groupId: 'g', entry: group })
        },
      ),
      { seed: 43 },
    )
  })

  it('tell groups and topics in an offset key apart, whatever they are called', () => {
    const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }).filter((t) => t.isWellFormed())
    fc.assert(
      fc.property(text, text, number, offset, (groupId, topic, partition, at) => {
        const entry = { groupId, topic, partition, offset: at }
        expect(read.groupOffset(stored(put.groupOffset(entry)))).toEqual(entry)
      }),
      { seed: 44 },
    )
  })

  it('are reported as damaged when any bit of key or value changed, or bytes are missing', () => {
    const damage = expect.objectContaining({ name: 'FatalError', code: 'LOG_DAMAGED' })
    const settings = {
      cleanup: 'compact',
      retentionMs: -1,
      deleteRetentionMs: 1,
      maxMessageBytes: 1,
      timestampType: 'create',
    } as const
    const entry = { base: 1, last: 2, bytes: 3, firstTimestampMs: 4, maxTimestampMs: 5, tombstonesUntilMs: 0 }
    const cases: [EngineOp, (entry: EngineEntry) => unknown][] = [
      [put.meta('format', 1), read.meta],
      [put.topic({ name: 't', topicId: 'x', partitions: 1, firstNumber: 0, settings }), read.topic],
      [put.partition(1, { start: 1, endBound: 2, cleanedTo: 0 }), read.partition],
      [put.index(1, entry), read.index],
      [put.transactionalId('x', { producerId: 1, epoch: 2, lastUsedMs: 3 }), read.transactionalId],
      [put.group('g', { generation: 1 }), read.group],
      [put.groupOffset({ groupId: 'g', topic: 't', partition: 0, offset: 5 }), read.groupOffset],
    ]
    for (const [op, decode] of cases) {
      const { key, value } = stored(op)
      decode({ key, value })
      for (const part of [key, value]) {
        for (let bit = 0; bit < part.length * 8; bit += 1) {
          part[bit >> 3]! ^= 1 << (bit & 7)
          expect(() => decode({ key, value })).toThrow(damage)
          part[bit >> 3]! ^= 1 << (bit & 7)
        }
      }
      for (let length = 0; length < value.length; length += 1) {
        expect(() => decode({ key, value: value.subarray(0, length) })).toThrow(damage)
      }
    }
  })
})
