/** Compaction and retention, and what readers see of them: gaps, never other records. */
import { beforeEach, expect, it } from 'vitest'
import type { Log, TopicPartition } from '../../../src/log/log.ts'
import {
  batchOf,
  newProducer,
  newTopic,
  pollForFailure,
  pollTo,
  put,
  readAll,
  settledEnd,
  type LogHarness,
} from './harness.ts'

export function describeCleaning(current: () => LogHarness): void {
  let h: LogHarness
  let log: Log
  let at: TopicPartition

  const clean = async (): Promise<void> => {
    await settledEnd(h, log, at)
    await h.clean()
  }

  beforeEach(async (context) => {
    h = current()
    if (!h.capabilities.cleaning) context.skip()
    log = await h.open()
    at = { topic: await newTopic(h, log, 1, { cleanup: 'compact', deleteRetentionMs: 60_000 }), partition: 0 }
  })

  it('keeps the newest record of each key at its offset, also inside of batches', async () => {
    await put(
      h,
      log,
      batchOf(at, ['a', '1'], ['b', '1'], ['a', '2'], ['c', '1']),
      batchOf(at, ['b', '2'], ['b', '3']),
      batchOf(at, ['d', '1'], ['a', '3']),
    )
    const before = await readAll(h, log, at)
    expect(before).toHaveLength(8)
    await clean()
    expect(await readAll(h, log, at)).toEqual(['3:1', '6:3', '8:1', '9:3'])
    expect(await readAll(h, log, at, 4n)).toEqual(['6:3', '8:1', '9:3'])
    await put(h, log, batchOf(at, ['c', '2'], ['d', '2']))
    await clean()
    expect(await readAll(h, log, at)).toEqual(['6:3', '9:3', '11:2', '12:2'])
    expect(await settledEnd(h, log, at)).toBe(14n)
  })

  it('keeps tombstones for their time, then drops them too', async () => {
    await put(h, log, batchOf(at, ['a', '1'], ['b', '1']), batchOf(at, ['a', null]))
    await clean()
    expect(await readAll(h, log, at)).toEqual(['1:1', '3:null'])
    await h.elapse(59_000)
    await clean()
    expect(await readAll(h, log, at)).toEqual(['1:1', '3:null'])
    await h.elapse(2_000)
    await clean()
    expect(await readAll(h, log, at)).toEqual(['1:1'])
    await put(h, log, batchOf(at, ['a', '2']))
    await clean()
    expect(await readAll(h, log, at)).toEqual(['1:1', '5:2'])
  })

  it('lets nothing be outdated by records whose outcome is open, or that were aborted', async () => {
    await put(h, log, batchOf(at, ['a', '1']))
    await settledEnd(h, log, at)
    const producer = await newProducer(h, log)
    producer.begin()
    await h.run(producer.send([batchOf(at, ['a', 'open'])]))
    await put(h, log, batchOf(at, ['a', '2'], ['b', '1']))
    await h.clean()
    expect(await readAll(h, log, at, 0n, 1n)).toEqual(['0:1'])
    await h.run(producer.abort())
    expect(await readAll(h, log, at)).toEqual(['0:1', '3:2', '4:1'])
    await clean()
    expect(await readAll(h, log, at)).toEqual(['3:2', '4:1'])
  })

  it('lets a reader that is behind go on, at every position', async () => {
    const batches = Array.from({ length: 20 }, (_, i) =>
      batchOf(at, [`${i % 3}`, `${i}`], [`${i % 7}`, `${i}`]),
    )
    await put(h, log, ...batches)
    const end = await settledEnd(h, log, at)
    const readers = Array.from({ length: Number(end) }, (_, from) => {
      const reader = log.reader({ maxPartitionBytes: 100, prefetchBytes: 100 })
      reader.assign(at, BigInt(from))
      return reader
    })
    await h.elapse(100)
    await clean()
    const left = await readAll(h, log, at)
    expect(left.length).toBeLessThan(10)
    for (const [from, reader] of readers.entries()) {
      const { records } = await pollTo(h, reader, at, end)
      const offsets = records.map((record) => Number(record.split(':')[0]))
      expect(offsets).toEqual([...offsets].sort((a, b) => a - b))
      const expected = left.filter((record) => Number(record.split(':')[0]) >= from)
      for (const record of expected) expect(records).toContain(record)
    }
  })

  it('finds times in what is left', async () => {
    await put(
      h,
      log,
      batchOf(at, ['a', '1', 900], ['b', '1', 100], ['c', '1', 500]),
      batchOf(at, ['a', '2', 200]),
    )
    await clean()
    expect(await h.run(log.offsetAtTime(at, 0))).toBe(1n)
    expect(await h.run(log.offsetAtTime(at, 101))).toBe(2n)
    expect(await h.run(log.offsetAtTime(at, 501))).toBe(await settledEnd(h, log, at))
  })

  it('refuses records without a key', async () => {
    const producer = await newProducer(h, log)
    producer.begin()
    await expect(h.run(producer.send([batchOf(at, ['a', '1'], [null, '2'])]))).rejects.toEqual(
      expect.objectContaining({ name: 'FatalError' }),
    )
    await h.run(producer.close())
  })

  it('deletes by record time, from the front only', async () => {
    const topic = await newTopic(h, log, 1, { retentionMs: 10_000 })
    const [old, young] = [h.nowMs() - 60_000, h.nowMs()]
    at = { topic, partition: 0 }
    await put(
      h,
      log,
      batchOf(at, ['k', 'a', old], ['k', 'b', old]),
      batchOf(at, ['k', 'c', old], ['k', 'd', young]),
      batchOf(at, ['k', 'e', old]),
    )
    const reader = log.reader()
    await clean()
    const [start] = await h.run(log.offsets('start', [at]))
    expect(start).toBe(3n)
    expect(await readAll(h, log, at, 3n)).toEqual(['3:c', '4:d', '6:e'])
    reader.assign(at, 0n)
    expect((await pollForFailure(h, reader)).error.code).toBe('OFFSET_OUT_OF_RANGE')
    await h.elapse(20_000)
    await clean()
    expect(await readAll(h, log, at, (await h.run(log.offsets('start', [at])))[0])).toEqual([])
  })

  it('deletes by itself in time', async () => {
    const topic = await newTopic(h, log, 1, { retentionMs: 10_000 })
    at = { topic, partition: 0 }
    await put(h, log, batchOf(at, ['k', 'a', h.nowMs()]))
    await h.elapse(120_000)
    expect((await h.run(log.offsets('start', [at])))[0]).toBeGreaterThan(0n)
  })

  it('keeps old records for ever without a retention', async () => {
    at = { topic: await newTopic(h, log), partition: 0 }
    await put(h, log, batchOf(at, ['k', 'a', 0]))
    await h.elapse(120_000)
    await clean()
    expect(await readAll(h, log, at)).toEqual(['0:a'])
  })

  it('takes deleted records and topics out of the log', async () => {
    at = { topic: await newTopic(h, log), partition: 0 }
    await put(h, log, batchOf(at, 'a', 'b'), batchOf(at, 'c'), batchOf(at, 'd'))
    await h.run(log.deleteRecords([{ ...at, offset: 4n }]))
    await clean()
    expect(await readAll(h, log, at, 4n)).toEqual(['5:d'])
    await h.run(log.deleteTopics([at.topic]))
    await h.clean()
    await h.run(log.createTopics([{ name: at.topic, partitions: 1 }]))
    expect(await readAll(h, log, at)).toEqual([])
  })
}
