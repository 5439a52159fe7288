/**
 * A process that has something open on a Kafka log, closes the log when it is told to, and has nothing else to do: it
 * ends by itself unless the log left something alive. Arguments: brokers, what is open. Says `ready`, and `closed`
 * with the milliseconds that closing took.
 */
import { systemClock, systemRandom } from '../../../src/clock.ts'
import { openKafkaLog } from '../../../src/log/kafka/index.ts'
import type { Log, LogProducer } from '../../../src/log/log.ts'
import { RecordBatchBuilder } from '../../../src/log/record-batch-builder.ts'

/** What is open when the log is closed. */
export type OpenWork = keyof typeof WORK

const TOPIC = 'closing'
const id = systemRandom.uuid()

/** A producer with a transaction that holds a record. */
async function writing(log: Log): Promise<LogProducer> {
  const producer = await log.producer({ transactionalId: id })
  const records = new RecordBatchBuilder()
  records.append(0, 'key', 'value')
  producer.begin()
  await producer.send([{ topic: TOPIC, partition: 0, records }])
  return producer
}

/** Each prepares, and answers what is done right before the log is closed. Nothing of it is awaited or let go. */
const WORK = {
  nothing: async () => () => undefined,
  'a transaction': async (log: Log) => {
    await writing(log)
    return () => undefined
  },
  'a commit': async (log: Log) => {
    const producer = await writing(log)
    return () => void producer.commit().catch(() => undefined)
  },
  'a producer that is being made': async (log: Log) => {
    await log.describeTopics([TOPIC])
    return () => void log.producer({ transactionalId: id }).catch(() => undefined)
  },
  'a reader and a membership': async (log: Log) => {
    const reader = log.reader()
    reader.assign({ topic: TOPIC, partition: 0 }, 0n)
    await reader.poll(5_000)
    await new Promise<void>((resolve, reject) => {
      const listener = {
        onAssigned: () => Promise.resolve(resolve()),
        onRevoked: () => Promise.resolve(),
        onLost: () => Promise.resolve(),
        onFailed: reject,
      }
      const assign = (): Promise<ReadonlyMap<string, Uint8Array>> => Promise.resolve(new Map())
      void log.joinGroup({ groupId: id, metadata: () => new Uint8Array(), assign, listener })
    })
    return () => void reader.poll(60_000).catch(() => undefined)
  },
  'a request': async (log: Log) => {
    await log.describeTopics([TOPIC])
    return () => void log.offsets('end', [{ topic: TOPIC, partition: 0 }]).catch(() => undefined)
  },
} as const

async function main([brokers = '', work = '']: readonly string[]): Promise<void> {
  const log = await openKafkaLog({ brokers: brokers.split(',') })
  await log.createTopics([{ name: TOPIC, partitions: 1 }])
  const begin = await WORK[work as OpenWork](log)
  const told = new Promise((resolve) => process.once('message', resolve))
  process.send?.('ready')
  await told
  // From here on nothing but the log can keep the process alive.
  process.disconnect()
  begin()
  const startedMs = systemClock.monotonic()
  await log.close()
  process.stdout.write(`closed after ${Math.round(systemClock.monotonic() - startedMs)} ms\n`)
}

await main(process.argv.slice(2))
