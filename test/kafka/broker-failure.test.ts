/** What happens when brokers are killed and frozen, and what compaction leaves behind. */
import { isDeepStrictEqual } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sleep, systemClock } from '../../src/clock.ts'
import { AbortableError, UnknownOutcomeError } from '../../src/errors.ts'
import { openKafkaLog } from '../../src/log/kafka/index.ts'
import type { Log, LogProducer, TopicPartition } from '../../src/log/log.ts'
import { batchOf, eventually, failure, pollTo, readAll } from '../contract/log/harness.ts'
import { joinTestGroup } from '../contract/log/test-member.ts'
import { kafkaHarness } from '../support/kafka-harness.ts'
import type { KafkaBroker } from '../support/kafka/broker.ts'
import { ownBrokerForTests } from '../support/kafka/kafka-for-tests.ts'

const own = ownBrokerForTests({
  properties: { 'log.cleaner.backoff.ms': '100', 'log.initial.task.delay.ms': '100' },
})

describe.skipIf(own === null)('a broker that fails', () => {
  let broker: KafkaBroker
  let log: Log
  const h = kafkaHarness({ brokers: [] })

  beforeAll(async () => {
    broker = await own!.broker()
    log = await openKafkaLog({ brokers: [broker.brokers], requestTimeoutMs: 3_000 })
  }, 120_000)
  afterAll(() => log.close())

  const newAt = async (): Promise<TopicPartition> => {
    const topic = h.unique('topic')
    await log.createTopics([{ name: topic, partitions: 1 }])
    return { topic, partition: 0 }
  }
  const newProducer = (): Promise<LogProducer> => {
    return log.producer({ transactionalId: h.unique('id'), transactionTimeoutMs: 20_000 })
  }

  it('loses and doubles nothing that was committed, while readers and members go on by themselves', async () => {
    const at = await newAt()
    const reader = log.reader()
    reader.assign(at, 0n)
    const group = h.unique('group')
    const member = await joinTestGroup(h, log, group, 'a')
    await eventually(h, 'the member is assigned', () => member.assigned !== null)
    const committed: string[] = []
    const doubtful: string[] = []
    const restarts = (async () => {
      for (let kill = 0; kill < 2; kill += 1) {
        await sleep(systemClock, 700)
        await broker.kill()
        await broker.start()
      }
    })()
    let ended = false
    void restarts.then(() => (ended = true))
    let producer = await newProducer()
    for (let i = 0; !ended || committed.length < 50; i += 1) {
      producer.begin()
      try {
        await producer.send([batchOf(at, `${i}`)])
        await producer.commit()
        committed.push(`${i}`)
      } catch (error) {
        if (error instanceof UnknownOutcomeError) doubtful.push(`${i}`)
        if (error instanceof AbortableError) await producer.abort()
        else {
          await producer.close()
          producer = await newProducer()
        }
      }
      await sleep(systemClock, 5)
    }
    await restarts
    await producer.close()
    const end = (await log.offsets('end', [at]))[0]!
    const seen = (await pollTo(h, reader, at, end)).records.map((record) => record.split(':')[1]!)
    expect(seen.filter((value) => !doubtful.includes(value))).toEqual(committed)
    expect(new Set(seen).size).toBe(seen.length)
    expect(await readAll(h, log, at)).toHaveLength(seen.length)
    await eventually(h, 'the member still belongs to the group', async () => {
      return member.assigned !== null && (await log.describeGroup(group)).state === 'stable'
    })
    expect(member.calls).not.toContain('failed')
    await member.membership.leave()
  }, 120_000)

  it('that is frozen over a commit leaves its outcome unknown, and no other call hanging', async () => {
    const at = await newAt()
    const patient = await openKafkaLog({ brokers: [broker.brokers], requestTimeoutMs: 500 })
    const producer = await patient.producer({ transactionalId: h.unique('id'), transactionTimeoutMs: 2_000 })
    producer.begin()
    await producer.send([batchOf(at, 'a')])
    broker.freeze()
    try {
      await expect(producer.commit()).rejects.toEqual(
        failure('UnknownOutcomeError', 'COMMIT_OUTCOME_UNKNOWN'),
      )
      await expect(patient.offsets('end', [at])).rejects.toEqual(failure('RetriableError', 'LOG_UNREACHABLE'))
      await patient.close()
    } finally {
      broker.thaw()
    }
  })
})

describe.skipIf(own === null)('a compacted topic', () => {
  it('is read to its end over the batches that compaction has emptied', async () => {
    const broker = await own!.broker()
    const log = await openKafkaLog({ brokers: [broker.brokers] })
    const h = kafkaHarness({ brokers: [] })
    const at = { topic: h.unique('compacted'), partition: 0 }
    await log.createTopics([
      { name: at.topic, partitions: 1, settings: { cleanup: 'compact', deleteRetentionMs: 0 } },
    ])
    const quick = 'segment.ms=50,min.cleanable.dirty.ratio=0.001'
    const which = ['--entity-type', 'topics', '--entity-name', at.topic, '--alter', '--add-config', quick]
    await broker.tool('kafka.admin.ConfigCommand', ['--bootstrap-server', broker.brokers, ...which])
    // Each producer's last batch is kept without records, and so are control batches.
    for (let i = 0; i < 30; i += 1) {
      const producer = await log.producer({ transactionalId: h.unique('id') })
      producer.begin()
      await producer.send([batchOf(at, ['k', `${i}`], ['l', `${i}`])])
      await (i % 5 === 4 ? producer.abort() : producer.commit())
      await producer.close()
    }
    await eventually(h, 'the topic is compacted', async () => {
      const producer = await log.producer({ transactionalId: h.unique('id') })
      producer.begin()
      await producer.send([batchOf(at, ['l', 'new'])])
      await producer.commit()
      await producer.close()
      return (await readAll(h, log, at)).length < 6
    })
    const records = await readAll(h, log, at)
    expect(records.map((record) => record.split(':')[1])).toContain('28')
    const [start, end] = [(await log.offsets('start', [at]))[0]!, (await log.offsets('end', [at]))[0]!]
    for (let from = start; from < end; from += 7n) {
      // Compaction goes on meanwhile, and may come between two readings; it ends.
      await eventually(h, `reading from ${from} finds what is there`, async () => {
        const whole = await readAll(h, log, at)
        const left = whole.filter((record) => BigInt(record.split(':')[0]!) >= from)
        return isDeepStrictEqual((await readAll(h, log, at, from)).slice(0, left.length), left)
      })
    }
    await log.close()
  }, 60_000)
})
