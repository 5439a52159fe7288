import { describe, expect, it } from 'vitest'
import { KafkaReader } from '../../../../../src/log/kafka/reader/kafka-reader.ts'
import { ByteReader } from '../../../../../src/log/kafka/wire/byte-reader.ts'
import type { RawRequest } from '../../../../../src/log/kafka/transport/kafkajs.ts'
import { failure, recordsOf } from '../../../../contract/log/harness.ts'
import { brokenConnection, FakeKafka } from '../../../../support/fake-kafka.ts'
import { encodeBatch } from '../../../../support/reference-batch.ts'

const TOPIC_ID = 'a'.repeat(32)
const at = (partition: number): { topic: string; partition: number } => ({ topic: 't', partition })

interface Asked {
  readonly maxWaitMs: number
  readonly positions: { readonly partition: number; readonly offset: bigint }[]
}

function askedIn({ body }: RawRequest): Asked {
  const reader = new ByteReader(body, 1)
  reader.int32()
  const maxWaitMs = reader.int32()
  reader.raw(4 + 4 + 1 + 4 + 4)
  const positions = reader
    .array(() => {
      reader.uuid()
      const members = reader.array(() => {
        const partition = reader.int32()
        reader.int32()
        const offset = reader.int64()
        reader.raw(4 + 8 + 4)
        reader.tags()
        return { partition, offset }
      })
      reader.tags()
      return members
    })
    .flat()
  return { maxWaitMs, positions }
}

/** What a broker answers for one partition: `values` from `offset` on, or an error. */
function fetched(partition: number, code: number, offset = 0n, ...values: string[]): object {
  const records =
    values.length === 0
      ? Buffer.alloc(0)
      : encodeBatch({ baseOffset: Number(offset), records: values.map((value) => ({ value })) })
  const end = offset + BigInt(values.length)
  return {
    topicId: TOPIC_ID,
    partition,
    code,
    highWatermark: end,
    lastStable: end,
    logStart: 0n,
    aborted: [],
    records,
  }
}

const never = new Promise<object>(() => undefined)

/** Brokers with one record at each offset asked for; quiet from `quietFrom` on. */
function newKafka(leaders: readonly number[], quietFrom = 3n): FakeKafka {
  return new FakeKafka().withTopic(leaders, TOPIC_ID).on('Fetch', (request) => {
    const { positions } = askedIn(request)
    const news = positions.filter(({ offset }) => offset < quietFrom)
    if (news.length === 0) return never
    return {
      code: 0,
      partitions: news.map(({ partition, offset }) => fetched(partition, 0, offset, `${offset}`)),
    }
  })
}

function newReader(kafka: FakeKafka, options = {}): KafkaReader {
  return new KafkaReader(kafka.cluster(), options, () => undefined)
}

/** Polls until so many records have come. */
async function take(kafka: FakeKafka, reader: KafkaReader, count: number): Promise<string[]> {
  const found: string[] = []
  for (let polls = 0; found.length < count && polls < 100; polls += 1) {
    const result = await kafka.run(reader.poll(1_000))
    expect(result.failures).toEqual([])
    for (const [partition, records] of recordsOf(result))
      found.push(...records.map((record) => `${partition} ${record}`))
  }
  return found
}

describe('a reader', () => {
  it('asks each leader for its partitions, at first without waiting', async () => {
    const kafka = newKafka([1, 2, 1])
    const reader = newReader(kafka)
    const waits: number[] = []
    const answer = kafka.answers.get('Fetch')!
    kafka.on('Fetch', (request, broker) => {
      waits.push(askedIn(request).maxWaitMs)
      return answer(request, broker)
    })
    for (const partition of [0, 1, 2]) reader.assign(at(partition), 0n)
    const records = await take(kafka, reader, 9)
    expect(records.filter((record) => record.startsWith('t/1'))).toEqual(['t/1 0:0', 't/1 1:1', 't/1 2:2'])
    expect(records).toHaveLength(9)
    expect(
      kafka.requests
        .filter((request) => request.includes('Fetch'))
        .slice(0, 2)
        .sort(),
    ).toEqual(['one:1 Fetch 13', 'two:2 Fetch 13'])
    expect([waits[0], waits[1], waits.at(-1)]).toEqual([0, 0, 500])
    await reader.close()
  })

  it('follows a leader that moves, while the other partitions go on', async () => {
    const kafka = newKafka([1, 1])
    const answer = kafka.answers.get('Fetch')!
    kafka.on('Fetch', (request, broker) => {
      const { positions } = askedIn(request)
      const moved = positions.some(({ partition, offset }) => partition === 0 && offset === 1n)
      if (broker === 'two:2' || !moved) return answer(request, broker)
      kafka.withTopic([2, 1], TOPIC_ID)
      return { code: 0, partitions: [fetched(0, 6), fetched(1, 0, 1n, '1')] }
    })
    const reader = newReader(kafka)
    reader.assign(at(0), 0n)
    reader.assign(at(1), 0n)
    const records = await take(kafka, reader, 6)
    expect(records.sort()).toEqual(['t/0 0:0', 't/0 1:1', 't/0 2:2', 't/1 0:0', 't/1 1:1', 't/1 2:2'])
    expect(kafka.requests).toContain('two:2 Fetch 13')
    await reader.close()
  })

  it('goes on after a connection broke, at the position it had', async () => {
    const kafka = newKafka([1])
    const answer = kafka.answers.get('Fetch')!
    let breaks = 3
    kafka.on('Fetch', (request, broker) => {
      if (askedIn(request).positions[0]!.offset === 1n && breaks-- > 0) throw brokenConnection()
      return answer(request, broker)
    })
    const reader = newReader(kafka)
    reader.assign(at(0), 0n)
    expect(await take(kafka, reader, 3)).toEqual(['t/0 0:0', 't/0 1:1', 't/0 2:2'])
    await reader.close()
  })

  it('does not let a partition with data wait behind quiet ones', async () => {
    const kafka = newKafka([1, 1], 2n)
    const reader = newReader(kafka)
    reader.assign(at(0), 2n)
    await kafka.clock.runUntilIdle()
    // The first fetch of partition 0 hangs; partition 1 has data.
    reader.assign(at(1), 0n)
    expect(await take(kafka, reader, 2)).toEqual(['t/1 0:0', 't/1 1:1'])
    await reader.close()
  })

  it('fails one partition for what concerns it alone, once', async () => {
    for (const [code, error] of [
      [1, 'OFFSET_OUT_OF_RANGE'],
      [29, 'ACCESS_DENIED'],
      [2, 'RECORD_BATCH_CORRUPT'],
    ] as const) {
      const kafka = newKafka([1, 1])
      kafka.on('Fetch', (request) => {
        const { positions } = askedIn(request)
        const partitions = positions.flatMap(({ partition, offset }) => {
          if (partition === 0) return [fetched(0, code)]
          return offset === 0n ? [fetched(1, 0, 0n, 'a')] : []
        })
        return partitions.length === 0 ? never : { code: 0, partitions }
      })
      const reader = newReader(kafka)
      reader.assign(at(0), 7n)
      reader.assign(at(1), 0n)
      const { failures, chunks } = await kafka.run(reader.poll(1_000))
      expect(failures).toEqual([{ partition: at(0), error: failure('FatalError', error) }])
      expect(chunks).toHaveLength(1)
      expect((await kafka.run(reader.poll(1_000))).failures).toEqual([])
      await reader.close()
    }
  })

  it('takes a topic of the same name but another id for another topic', async () => {
    const kafka = newKafka([1])
    const reader = newReader(kafka)
    reader.assign(at(0), 0n)
    await take(kafka, reader, 3)
    // The fetch that waits for more ends with its time.
    kafka.withTopic([1], 'b'.repeat(32))
    const { failures } = await kafka.run(reader.poll(5_000))
    expect(failures).toEqual([{ partition: at(0), error: failure('FatalError', 'TOPIC_UNKNOWN') }])
    await reader.close()
  })

  it('looks again for a topic that was made anew before it was read', async () => {
    const kafka = newKafka([1])
    const cluster = kafka.cluster()
    await cluster.locate(['t'])
    const topicId = 'b'.repeat(32)
    kafka.withTopic([2], topicId).on('Fetch', (request, broker) => {
      if (broker === 'one:1') return { code: 0, partitions: [fetched(0, 100)] }
      const fromStart = askedIn(request).positions[0]?.offset === 0n
      return fromStart ? { code: 0, partitions: [{ ...fetched(0, 0, 0n, 'new'), topicId }] } : never
    })
    const reader = new KafkaReader(cluster, {}, () => undefined)
    reader.assign(at(0), 0n)
    expect(await take(kafka, reader, 1)).toEqual(['t/0 0:new'])
    await reader.close()
  })

  it('ends with an error that concerns all: every poll tells it', async () => {
    const kafka = newKafka([1])
    kafka.on('Fetch', () => {
      throw Object.assign(new Error('SASL authentication failed'), { name: 'KafkaJSSASLAuthenticationError' })
    })
    const reader = newReader(kafka)
    reader.assign(at(0), 0n)
    const refused = failure('FatalError', 'AUTHENTICATION_FAILED')
    await expect(kafka.run(reader.poll(1_000))).rejects.toEqual(refused)
    await expect(kafka.run(reader.poll(1_000))).rejects.toEqual(refused)
    await reader.close()
  })

  it('leaves no timer and no connection behind', async () => {
    const kafka = newKafka([1])
    const reader = newReader(kafka)
    reader.assign(at(0), 0n)
    await take(kafka, reader, 3)
    await reader.close()
    await kafka.clock.runUntilIdle()
    expect(kafka.clock.pendingTimers).toBe(0)
    expect(kafka.connections.filter(({ usable }) => usable)).toHaveLength(1)
  })
})
