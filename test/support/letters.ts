/** Dead letters in a log in memory, and as the jobs read them. */
import { systemClock } from '../../src/clock.ts'
import { createInMemoryBroker, EmbeddedLog } from '../../src/log/embedded/index.ts'
import type { Log } from '../../src/log/log.ts'
import { RecordBatchBuilder, type RecordHeader } from '../../src/log/record-batch-builder.ts'
import { RecordCursor } from '../../src/log/record-cursor.ts'
import type { HandlingSpec } from '../../src/jobs/dead-letters/plan-handling.ts'
import type { HandlingRequest } from '../../src/jobs/dead-letters/verdict.ts'
import { describeLetter, type Letter } from '../../src/jobs/dead-letters/letter.ts'
import { DEAD_LETTER } from '../../src/runtime/header-names.ts'
import { SeededRandom } from '../../src/testing/seeded-random.ts'
import { chunkOf, type ChunkRecord } from './chunks.ts'

export const header = (key: string, value: string): RecordHeader => ({ key, value: Buffer.from(value) })

/** What the runtime says of a failed record of `readings/1`. */
export function failureHeaders(overrides: Readonly<Record<string, string>> = {}): RecordHeader[] {
  const all = {
    [DEAD_LETTER.exception]: 'RecordError',
    [DEAD_LETTER.message]: 'it is broken',
    [DEAD_LETTER.stacktrace]: 'RecordError: it is broken\n    at somewhere',
    [DEAD_LETTER.topic]: 'readings',
    [DEAD_LETTER.partition]: '1',
    [DEAD_LETTER.offset]: '17',
    [DEAD_LETTER.stage]: 'sums',
    [DEAD_LETTER.code]: 'BROKEN',
    [DEAD_LETTER.attempt]: '1',
    [DEAD_LETTER.time]: '1700000000000',
    ...overrides,
  }
  return Object.entries(all).map(([key, value]) => header(key, value))
}

/** A letter as it is read. */
export function letterFrom(record: Partial<ChunkRecord> = {}, partition = 0): Letter {
  const cursor = new RecordCursor()
  const whole = { offset: 5, key: 'k', value: 'v', headers: failureHeaders(), ...record }
  cursor.reset(chunkOf([whole]).batches)
  cursor.next()
  return describeLetter(partition, cursor)
}

/** Clients of one log in memory. */
export function newLogs(): () => Log {
  const random = new SeededRandom(5)
  const broker = createInMemoryBroker({ clock: systemClock, random })
  return () =>
    new EmbeddedLog({ connection: broker.connect(), clock: systemClock, random, verifyChecksums: false })
}

/** Writes records into partitions of a topic, each batch of a partition in one transaction. */
export async function writeRecords(
  log: Log,
  topic: string,
  byPartition: readonly (readonly Omit<ChunkRecord, 'offset'>[])[],
): Promise<void> {
  const producer = await log.producer({ transactionalId: `writer of ${topic}` })
  producer.begin()
  for (const [partition, records] of byPartition.entries()) {
    if (records.length === 0) continue
    const batch = new RecordBatchBuilder()
    for (const { timestampMs = 0, key = 'k', value = 'v', headers } of records) {
      batch.append(timestampMs, key, value, headers)
    }
    await producer.send([{ topic, partition, records: batch }])
  }
  await producer.commit()
  await producer.close()
}

export const REPLAY_ALL: HandlingRequest = {
  action: 'replay',
  filter: {},
  maxAttempts: undefined,
  again: false,
}

/** Runs have ids that no other has. */
const ids = new SeededRandom(7)

/** A replay of everything in `readings.dlq`, unless told otherwise. */
export function handlingOf(log: Log, overrides: Partial<HandlingSpec> = {}): HandlingSpec {
  return {
    log,
    clock: systemClock,
    random: ids,
    signal: new AbortController().signal,
    applicationId: 'sensors',
    letterTopic: 'readings.dlq',
    by: 'tester@here',
    request: REPLAY_ALL,
    ...overrides,
  }
}
