/** The same topics used by Java's clients and by millrace: partitions, codecs, transactions. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openKafkaLog, type Compression } from '../../src/log/kafka/index.ts'
import type { Log } from '../../src/log/log.ts'
import { partitionForKey } from '../../src/log/partitioner.ts'
import { RecordBatchBuilder } from '../../src/log/record-batch-builder.ts'
import { RecordCursor } from '../../src/log/record-cursor.ts'
import type { KafkaBroker } from '../support/kafka/broker.ts'
import { ownBrokerForTests } from '../support/kafka/kafka-for-tests.ts'

const PARTITIONS = 5
const CODECS: readonly Compression[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
const own = ownBrokerForTests()

describe.skipIf(own === null)("Java's clients and millrace", () => {
  let broker: KafkaBroker
  let log: Log
  let folder: string

  beforeAll(async () => {
    broker = await own!.broker()
    log = await openKafkaLog({ brokers: [broker.brokers] })
    folder = await mkdtemp(path.join(tmpdir(), 'millrace-java-'))
  }, 120_000)
  afterAll(async () => {
    await log.close()
    await rm(folder, { recursive: true })
  })

  /** All records of a topic by partition, as `key=value`. */
  const read = async (topic: string): Promise<string[][]> => {
    const found: string[][] = []
    const reader = log.reader()
    const cursor = new RecordCursor()
    for (let partition = 0; partition < PARTITIONS; partition += 1) {
      const records: string[] = []
      const [end] = await log.offsets('stable', [{ topic, partition }])
      reader.assign({ topic, partition }, 0n)
      for (let position = 0n; position < end!;) {
        for (const chunk of (await reader.poll(1_000)).chunks) {
          cursor.reset(chunk.batches)
          while (cursor.next()) records.push(`${cursor.key()}=${cursor.value()}`)
          position = chunk.nextOffset
        }
      }
      reader.unassign({ topic, partition })
      found.push(records)
    }
    await reader.close()
    return found
  }

  for (const compression of CODECS) {
    it(`put the same keys in the same partitions; what Java packs is unpacked: ${compression}`, async () => {
      const topic = `by-java-${compression}`
      await log.createTopics([{ name: topic, partitions: PARTITIONS }])
      const settings = path.join(folder, `${compression}.properties`)
      await writeFile(settings, `compression.type=${compression}\nlinger.ms=50\n`)
      const keys = 300
      const amounts = ['--max-messages', '1000', '--repeating-keys', `${keys}`]
      const to = ['--bootstrap-server', broker.brokers, '--topic', topic, '--producer.config', settings]
      await broker.tool('org.apache.kafka.tools.VerifiableProducer', [...to, ...amounts])
      const partitions = await read(topic)
      expect(partitions.flat()).toHaveLength(1000)
      const values = partitions.flat().map((record) => Number(record.split('=')[1]))
      expect(values.sort((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, i) => i))
      partitions.forEach((records, partition) => {
        for (const record of records)
          expect(partitionForKey(record.split('=')[0]!, PARTITIONS)).toBe(partition)
      })
      expect(partitions.filter((records) => records.length > 0)).toHaveLength(PARTITIONS)
    })

    it(`read the same records; what millrace packs is unpacked by Java: ${compression}`, async () => {
      const topic = `by-millrace-${compression}`
      await log.createTopics([{ name: topic, partitions: PARTITIONS }])
      const writer = await openKafkaLog({ brokers: [broker.brokers], compression })
      const producer = await writer.producer({ transactionalId: topic })
      const send = async (value: string, outcome: 'commit' | 'abort'): Promise<void> => {
        const builders = Array.from({ length: PARTITIONS }, () => new RecordBatchBuilder())
        for (let i = 0; i < 100; i += 1) {
          builders[partitionForKey(`schlüssel-${i}`, PARTITIONS)]!.append(
            i,
            `schlüssel-${i}`,
            `${value}-${i}`,
          )
        }
        producer.begin()
        await producer.send(builders.map((records, partition) => ({ topic, partition, records })))
        await producer[outcome]()
      }
      await send('first', 'commit')
      await send('aborted', 'abort')
      await send('second', 'commit')
      await writer.close()
      const shape = ['print.key=true', 'print.partition=true', 'key.separator=='].flatMap((text) => [
        '--property',
        text,
      ])
      const which = ['--topic', topic, '--from-beginning', '--isolation-level', 'read_committed']
      const until = ['--max-messages', '200', '--timeout-ms', '20000']
      const main = 'org.apache.kafka.tools.consumer.ConsoleConsumer'
      const said = await broker.tool(main, [
        '--bootstrap-server',
        broker.brokers,
        ...which,
        ...until,
        ...shape,
      ])
      const lines = said.split('\n').filter((line) => line.startsWith('Partition:'))
      const ours = (await read(topic)).flatMap((records, partition) => {
        return records.map((record) => `Partition:${partition}=${record}`)
      })
      expect(ours).toHaveLength(200)
      expect(lines.sort()).toEqual(ours.sort())
    })
  }

  it("show in Kafka's tools how a group stands", async () => {
    const topic = 'by-millrace-none'
    const members: string[] = []
    const membership = await new Promise<{ leave(): Promise<void> }>((resolve, reject) => {
      const joined = log.joinGroup({
        groupId: 'the-group',
        topics: [topic],
        metadata: () => Buffer.from('metadata'),
        assign: async (all) => new Map(all.map(({ memberId }) => [memberId, Buffer.from('work')])),
        listener: {
          onAssigned: async (_, { memberId }) => {
            members.push(memberId)
            resolve(await joined)
          },
          onRevoked: async () => {},
          onLost: async () => {},
          onFailed: reject,
        },
      })
    })
    const producer = await log.producer({ transactionalId: 'offsets' })
    const member = { groupId: 'the-group', memberId: members[0]!, generation: 1 }
    producer.begin()
    await producer.addOffsets('the-group', [{ topic, partition: 0, offset: 1n }], member)
    await producer.commit()
    await producer.close()
    const main = 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand'
    const said = await broker.tool(main, [
      '--bootstrap-server',
      broker.brokers,
      '--describe',
      '--group',
      'the-group',
    ])
    expect(said).toMatch(new RegExp(`the-group\\s+${topic}\\s+0\\s+1\\s+\\d+\\s+\\d+`))
    await membership.leave()
  })
})
