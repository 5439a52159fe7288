/** Reading: order, positions, prefetching, and what an assignment promises. */
import { beforeEach, expect, it } from 'vitest'
import type { Log, TopicPartition } from '../../../src/log/log.ts'
import {
  batchOf,
  failure,
  newProducer,
  newTopic,
  pollForFailure,
  pollTo,
  put,
  readAll,
  recordsOf,
  settledEnd,
  type LogHarness,
} from './harness.ts'

export function describeReading(current: () => LogHarness): void {
  let h: LogHarness
  let log: Log
  let topic: string
  let at: TopicPartition
  let other: TopicPartition

  beforeEach(async () => {
    h = current()
    log = await h.open()
    topic = await newTopic(h, log, 2)
    at = { topic, partition: 0 }
    other = { topic, partition: 1 }
  })

  it('delivers each partition in order, from the offset asked for', async () => {
    await put(h, log, batchOf(at, 'a', 'b', 'c'), batchOf(other, 'x'), batchOf(at, 'd'))
    expect(await readAll(h, log, at)).toEqual(['0:a', '1:b', '2:c', '4:d'])
    expect(await readAll(h, log, at, 1n)).toEqual(['1:b', '2:c', '4:d'])
    expect(await readAll(h, log, at, 3n)).toEqual(['4:d'])
    expect(await readAll(h, log, other)).toEqual(['0:x'])
  })

  it('delivers what another client writes while it polls', async () => {
    const writer = await h.open()
    const reader = log.reader()
    reader.assign(at, 0n)
    await pollTo(h, reader, at, 0n)
    const polled = reader.poll(60_000)
    await put(h, writer, batchOf(at, 'a'))
    const records = [...(recordsOf(await h.run(polled)).get(`${topic}/0`) ?? [])]
    const rest = await pollTo(h, reader, at, 2n)
    expect([...records, ...rest.records]).toEqual(['0:a'])
  })

  it('shows that the position equals the end of an empty partition', async () => {
    const reader = log.reader()
    reader.assign(at, 0n)
    const { chunks } = await h.run(reader.poll(10_000))
    expect(chunks).toHaveLength(1)
    const [chunk] = chunks
    expect(chunk).toMatchObject({ partition: at, nextOffset: 0n, end: 0n, stable: 0n, start: 0n })
    expect(chunk?.batches.start).toBe(chunk?.batches.end)
  })

  it('moves the position over offsets that hold no records', async () => {
    const producer = await newProducer(h, log)
    producer.begin()
    await h.run(producer.send([batchOf(at, 'x', 'x', 'x')]))
    const reader = log.reader()
    reader.assign(at, 0n)
    expect((await pollTo(h, reader, at, 0n)).records).toEqual([])
    await h.run(producer.abort())
    const end = await settledEnd(h, log, at)
    expect((await pollTo(h, reader, at, end)).records).toEqual([])
  })

  it('waits no longer than told, and not at all for 0', async () => {
    const reader = log.reader()
    reader.assign(at, 0n)
    await pollTo(h, reader, at, 0n)
    expect(await h.run(reader.poll(0))).toEqual({ chunks: [], failures: [] })
    const before = h.nowMs()
    expect((await h.run(reader.poll(300))).chunks).toEqual([])
    expect(h.nowMs() - before).toBeGreaterThanOrEqual(250)
  })

  it('delivers nothing of a partition that is not assigned any more', async () => {
    await put(h, log, batchOf(at, 'a'), batchOf(other, 'b'))
    const reader = log.reader()
    reader.assign(at, 0n)
    reader.assign(other, 0n)
    await pollTo(h, reader, other, 2n)
    reader.unassign(at)
    await put(h, log, batchOf(at, 'c'), batchOf(other, 'd'))
    const { records } = await pollTo(h, reader, other, 4n)
    expect(records).toEqual(['2:d'])
    expect(recordsOf(await h.run(reader.poll(0))).has(`${topic}/0`)).toBe(false)
  })

  it('delivers nothing from before an assign of the same partition', async () => {
    await put(h, log, batchOf(at, 'a', 'b', 'c', 'd'))
    const reader = log.reader()
    reader.assign(at, 0n)
    // Fetched, but not yet polled.
    await h.elapse(200)
    reader.assign(at, 2n)
    expect((await pollTo(h, reader, at, 5n)).records).toEqual(['2:c', '3:d'])
    reader.assign(at, 1n)
    expect((await pollTo(h, reader, at, 5n)).records).toEqual(['1:b', '2:c', '3:d'])
  })

  it('may be assigned to while a poll is under way', async () => {
    await put(h, log, batchOf(at, 'a'))
    await settledEnd(h, log, at)
    const reader = log.reader()
    const polled = reader.poll(60_000)
    reader.assign(at, 0n)
    expect(recordsOf(await h.run(polled)).get(`${topic}/0`)).toEqual(['0:a'])
  })

  it('delivers nothing of a paused partition, and everything once it is resumed', async () => {
    await put(h, log, batchOf(at, 'a'), batchOf(other, 'x'))
    const reader = log.reader()
    reader.assign(at, 0n)
    reader.assign(other, 0n)
    await h.elapse(200)
    reader.pause(at)
    await pollTo(h, reader, other, 2n)
    await put(h, log, batchOf(at, 'b'), batchOf(other, 'y'))
    await pollTo(h, reader, other, 4n)
    reader.resume(at)
    expect((await pollTo(h, reader, at, 4n)).records).toEqual(['0:a', '2:b'])
  })

  it('is not held up by a paused partition that is full', async () => {
    const large = 'v'.repeat(20_000)
    await put(h, log, batchOf(at, large, large, large, large), batchOf(other, 'x'))
    const reader = log.reader({ prefetchBytes: 1000, maxPartitionBytes: 1000 })
    reader.assign(at, 0n)
    await h.elapse(200)
    reader.pause(at)
    reader.assign(other, 0n)
    expect((await pollTo(h, reader, other, 2n)).records).toEqual(['0:x'])
  })

  it('keeps to the largest answer, but delivers a larger batch whole', async () => {
    const value = 'v'.repeat(1000)
    const batches = Array.from({ length: 12 }, () => batchOf(at, value, value))
    await put(h, log, ...batches, batchOf(at, ...Array.from({ length: 10 }, () => value)))
    const reader = log.reader({ maxPartitionBytes: 5000 })
    reader.assign(at, 0n)
    const sizes: number[] = []
    const end = await settledEnd(h, log, at)
    let position = 0n
    for (let polls = 0; position < end && polls < 100; polls += 1) {
      for (const chunk of (await h.run(reader.poll(100))).chunks) {
        sizes.push(chunk.batches.end - chunk.batches.start)
        position = chunk.nextOffset
      }
    }
    expect(position).toBe(end)
    const tooLarge = sizes.filter((size) => size > 5000)
    expect(tooLarge).toHaveLength(1)
    expect(tooLarge[0]).toBeGreaterThan(10_000)
    expect(Math.max(...sizes.filter((size) => size <= 5000))).toBeGreaterThan(4000)
  })

  it('reads far more than it holds in memory, without loss', async () => {
    const count = 300
    const batches = Array.from({ length: count }, (_, i) => batchOf(at, `${i}`.padEnd(2000, '.')))
    await put(h, log, ...batches)
    const reader = log.reader({ prefetchBytes: 16_000, maxPartitionBytes: 8_000 })
    reader.assign(at, 0n)
    const end = await settledEnd(h, log, at)
    const { records } = await pollTo(h, reader, at, end)
    expect(records.map((record) => Number.parseInt(record.split(':')[1]!, 10))).toEqual(
      Array.from({ length: count }, (_, i) => i),
    )
  })

  it('fails a partition once whose offset does not exist, and goes on with the others', async () => {
    await put(h, log, batchOf(at, 'a'), batchOf(other, 'x'))
    const reader = log.reader()
    reader.assign(at, 99n)
    reader.assign(other, 0n)
    const failed = await pollForFailure(h, reader)
    expect(failed.partition).toEqual(at)
    expect(failed.error.code).toBe('OFFSET_OUT_OF_RANGE')
    await put(h, log, batchOf(other, 'y'))
    const end = await settledEnd(h, log, other)
    await pollTo(h, reader, other, end)
    reader.assign(at, 0n)
    expect((await pollTo(h, reader, at, 2n)).records).toEqual(['0:a'])
  })

  it('fails a partition that does not exist', async () => {
    const reader = log.reader()
    reader.assign({ topic: h.unique('absent'), partition: 0 }, 0n)
    expect((await pollForFailure(h, reader)).error.code).toBe('TOPIC_UNKNOWN')
    reader.assign({ topic, partition: 7 }, 0n)
    expect((await pollForFailure(h, reader)).error.code).toBe('TOPIC_UNKNOWN')
  })

  it('cannot be polled after it was closed, alone or with its log', async () => {
    const reader = log.reader()
    reader.assign(at, 0n)
    await h.run(reader.close())
    await h.run(reader.close())
    await expect(h.run(reader.poll(0))).rejects.toEqual(failure('FatalError', 'LOG_CLOSED'))
    const second = log.reader()
    await h.run(log.close())
    await h.run(log.close())
    await expect(h.run(second.poll(0))).rejects.toEqual(failure('FatalError', 'LOG_CLOSED'))
  })
}
