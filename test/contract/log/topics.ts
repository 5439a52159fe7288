/** Topics: creating, describing, deleting, and finding one's way in them. */
import { beforeEach, expect, it } from 'vitest'
import type { Log } from '../../../src/log/log.ts'
import {
  batchOf,
  failure,
  newProducer,
  newTopic,
  pollForFailure,
  pollTo,
  put,
  readAll,
  settledEnd,
  type LogHarness,
} from './harness.ts'

export function describeTopics(current: () => LogHarness): void {
  let h: LogHarness
  let log: Log

  beforeEach(async () => {
    h = current()
    log = await h.open()
  })

  it('creates topics with settings and describes them; absent names are absent', async () => {
    const [plain, special, absent] = [h.unique('plain'), h.unique('special'), h.unique('absent')]
    const settings = {
      cleanup: 'compact',
      retentionMs: 1_000_000,
      deleteRetentionMs: 5_000,
      maxMessageBytes: 2_000_000,
      timestampType: 'append',
    } as const
    await h.run(
      log.createTopics([
        { name: plain, partitions: 3 },
        { name: special, partitions: 1, settings },
      ]),
    )
    const described = await h.run(log.describeTopics([special, plain, absent]))
    expect([...described.keys()].sort()).toEqual([plain, special])
    expect(described.get(plain)).toMatchObject({ name: plain, partitions: 3 })
    expect(described.get(plain)?.settings).toEqual({
      cleanup: 'delete',
      retentionMs: -1,
      deleteRetentionMs: 86_400_000,
      maxMessageBytes: 1_048_588,
      timestampType: 'create',
    })
    expect(described.get(special)?.settings).toEqual(settings)
    for (const { limits } of described.values()) {
      expect(limits).toMatchObject({
        timestampBeforeMaxMs: Infinity,
        timestampAfterMaxMs: Infinity,
        compactsAndDeletes: false,
        mayRead: true,
        mayWrite: true,
      })
      expect(limits.minInsyncReplicas).toBeGreaterThanOrEqual(1)
      expect(limits.replicas).toBeGreaterThanOrEqual(1)
      expect(limits.brokers).toBeGreaterThanOrEqual(limits.replicas)
    }
  })

  it('lists all names, sorted', async () => {
    const names = ['b', 'a', 'c'].map((name) => h.unique(name))
    await h.run(log.createTopics(names.map((name) => ({ name, partitions: 1 }))))
    const listed = await h.run(log.listTopics())
    expect(listed).toEqual([...listed].sort())
    expect(listed.filter((name) => names.includes(name))).toEqual([...names].sort())
  })

  it('leaves a topic alone that exists with the same partition count, settings included', async () => {
    const name = await newTopic(h, log, 2, { cleanup: 'compact' })
    await put(h, log, batchOf({ topic: name, partition: 1 }, 'a'))
    const before = await h.run(log.describeTopics([name]))
    await h.run(log.createTopics([{ name, partitions: 2 }]))
    expect(await h.run(log.describeTopics([name]))).toEqual(before)
    expect(await readAll(h, log, { topic: name, partition: 1 })).toEqual(['0:a'])
  })

  it('refuses another partition count', async () => {
    const name = await newTopic(h, log, 2)
    await expect(h.run(log.createTopics([{ name, partitions: 3 }]))).rejects.toEqual(
      failure('FatalError', 'TOPIC_PARTITIONS_DIFFER'),
    )
    expect((await h.run(log.describeTopics([name]))).get(name)?.partitions).toBe(2)
  })

  it('deletes topics, and passes over names that do not exist', async () => {
    const name = await newTopic(h, log)
    await h.run(log.deleteTopics([name, h.unique('absent')]))
    expect((await h.run(log.describeTopics([name]))).size).toBe(0)
    expect(await h.run(log.listTopics())).not.toContain(name)
    await expect(h.run(log.offsets('end', [{ topic: name, partition: 0 }]))).rejects.toEqual(
      failure('FatalError', 'TOPIC_UNKNOWN'),
    )
  })

  it('gives a topic that is made anew another id, no records, and none of its readers', async () => {
    const name = await newTopic(h, log)
    const at = { topic: name, partition: 0 }
    await put(h, log, batchOf(at, 'old'))
    const reader = log.reader()
    reader.assign(at, 0n)
    await pollTo(h, reader, at, 2n)
    const before = (await h.run(log.describeTopics([name]))).get(name)?.topicId
    await h.run(log.deleteTopics([name]))
    await h.run(log.createTopics([{ name, partitions: 1 }]))
    await put(h, log, batchOf(at, 'new', 'new', 'new'))
    expect((await h.run(log.describeTopics([name]))).get(name)?.topicId).not.toBe(before)
    expect((await pollForFailure(h, reader)).error.code).toBe('TOPIC_UNKNOWN')
    expect(await readAll(h, log, at)).toEqual(['0:new', '1:new', '2:new'])
  })

  it('forgets the offsets that groups had in a deleted topic', async () => {
    const name = await newTopic(h, log)
    const at = { topic: name, partition: 0 }
    const group = h.unique('group')
    const producer = await newProducer(h, log)
    producer.begin()
    await h.run(producer.addOffsets(group, [{ ...at, offset: 5n }]))
    await h.run(producer.commit())
    expect(await h.run(log.committedOffsets(group, [at]))).toEqual([5n])
    await h.run(log.deleteTopics([name]))
    await h.run(log.createTopics([{ name, partitions: 1 }]))
    expect(await h.run(log.committedOffsets(group, [at]))).toEqual([null])
  })

  it('raises the start of a partition, and never lowers it', async () => {
    const at = { topic: await newTopic(h, log), partition: 0 }
    await put(h, log, batchOf(at, 'a', 'b', 'c'), batchOf(at, 'd'))
    const start = async (): Promise<bigint> => (await h.run(log.offsets('start', [at])))[0]!
    expect(await start()).toBe(0n)
    await h.run(log.deleteRecords([{ ...at, offset: 2n }]))
    expect(await start()).toBe(2n)
    await h.run(log.deleteRecords([{ ...at, offset: 1n }]))
    expect(await start()).toBe(2n)
    expect(await readAll(h, log, at, 2n)).toEqual(['2:c', '4:d'])
    const end = await settledEnd(h, log, at)
    await h.run(log.deleteRecords([{ ...at, offset: end }]))
    expect(await start()).toBe(end)
    await expect(h.run(log.deleteRecords([{ ...at, offset: end + 1n }]))).rejects.toEqual(
      failure('FatalError', 'OFFSET_OUT_OF_RANGE'),
    )
    await put(h, log, batchOf(at, 'e'))
    expect(await readAll(h, log, at, end)).toEqual([`${end}:e`])
  })

  it('fails a reader below a raised start instead of skipping', async () => {
    const at = { topic: await newTopic(h, log), partition: 0 }
    await put(h, log, batchOf(at, 'a', 'b', 'c'))
    await h.run(log.deleteRecords([{ ...at, offset: 2n }]))
    const reader = log.reader()
    reader.assign(at, 1n)
    expect((await pollForFailure(h, reader)).error.code).toBe('OFFSET_OUT_OF_RANGE')
  })

  it('finds the first offset at or after a time, in time order or not', async () => {
    const at = { topic: await newTopic(h, log), partition: 0 }
    await put(
      h,
      log,
      batchOf(at, ['k', 'a', 100], ['k', 'b', 300], ['k', 'c', 200]),
      batchOf(at, ['k', 'd', 250], ['k', 'e', 400]),
    )
    const find = async (timeMs: number): Promise<bigint> => h.run(log.offsetAtTime(at, timeMs))
    const end = await settledEnd(h, log, at)
    expect(await find(0)).toBe(0n)
    expect(await find(100)).toBe(0n)
    expect(await find(101)).toBe(1n)
    expect(await find(300)).toBe(1n)
    expect(await find(301)).toBe(5n)
    expect(await find(400)).toBe(5n)
    expect(await find(401)).toBe(end)
    await h.run(log.deleteRecords([{ ...at, offset: 2n }]))
    expect(await find(0)).toBe(2n)
    expect(await find(201)).toBe(4n)
  })

  it('finds the end in an empty partition', async () => {
    const at = { topic: await newTopic(h, log), partition: 0 }
    expect(await h.run(log.offsetAtTime(at, 0))).toBe(0n)
    await expect(h.run(log.offsetAtTime({ ...at, partition: 3 }, 0))).rejects.toEqual(
      failure('FatalError', 'TOPIC_UNKNOWN'),
    )
  })

  it('answers offsets in the order asked', async () => {
    const name = await newTopic(h, log, 3)
    await put(h, log, batchOf({ topic: name, partition: 1 }, 'a', 'b'))
    const asked = [2, 1, 0].map((partition) => ({ topic: name, partition }))
    const offsets = await h.run(log.offsets('end', asked))
    expect(offsets.map((offset) => offset > 0n)).toEqual([false, true, false])
    expect(await h.run(log.offsets('start', asked))).toEqual([0n, 0n, 0n])
  })
}
