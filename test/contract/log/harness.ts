/** What the contract suite needs of an adapter under test, and the small words its tests are written in. */
import { expect } from 'vitest'
import {
  partitionKey,
  type FetchFailure,
  type Log,
  type LogProducer,
  type LogReader,
  type Offset,
  type OutgoingBatch,
  type PollResult,
  type TopicPartition,
  type TopicSettings,
} from '../../../src/log/log.ts'
import { RecordBatchBuilder } from '../../../src/log/record-batch-builder.ts'
import { RecordCursor } from '../../../src/log/record-cursor.ts'

/** Differences between adapters, declared and not guessed. */
export interface LogCapabilities {
  /** `harness.clean` compacts and deletes at once. */
  readonly cleaning: boolean
  /** `unsafeWithoutTransactions` is supported. */
  readonly unsafeProducers: boolean
  /** The shortest session and transaction time-outs worth using. */
  readonly sessionTimeoutMs: number
  readonly transactionTimeoutMs: number
  /** How long `committedOffsets` waits before it gives up; null when it would take the tests too long. */
  readonly unstableOffsetsMs: number | null
}

/** One log, and as many clients of it as a test opens. */
export interface LogHarness {
  readonly capabilities: LogCapabilities
  /** A name that no other test uses. */
  unique(name: string): string
  /** A client, as another process would be. */
  open(): Promise<Log>
  /** The client's process dies: nothing is closed, left or aborted. */
  kill(log: Log): void
  /** The wall clock of log and clients. */
  nowMs(): number
  /** Lets `ms` pass. */
  elapse(ms: number): Promise<void>
  /** Waits for `work`, letting time pass for as long as it needs. */
  run<T>(work: Promise<T>): Promise<T>
  /** Lets the log compact and delete what it can. */
  clean(): Promise<void>
  close(): Promise<void>
}

export type TestRecord = string | readonly [key: string | null, value: string | null, timestampMs?: number]

/** A batch of records; plain text is a value under the key `k` at time 0. */
export function batchOf(at: TopicPartition, ...records: TestRecord[]): OutgoingBatch {
  const builder = new RecordBatchBuilder()
  for (const record of records) {
    const [key, value, timestampMs] = typeof record === 'string' ? ['k', record] : record
    builder.append(timestampMs ?? 0, key, value)
  }
  return { topic: at.topic, partition: at.partition, records: builder }
}

let producers = 0

/** A producer under an id of its own. */
export function newProducer(harness: LogHarness, log: Log, transactionalId?: string): Promise<LogProducer> {
  producers += 1
  const id = transactionalId ?? harness.unique(`producer-${producers}`)
  return harness.run(log.producer({ transactionalId: id, transactionTimeoutMs: 60_000 }))
}

/** Writes each batch in one transaction of its own. */
export async function put(harness: LogHarness, log: Log, ...batches: OutgoingBatch[]): Promise<Offset[]> {
  const producer = await newProducer(harness, log)
  const offsets: Offset[] = []
  for (const batch of batches) {
    producer.begin()
    offsets.push(...(await harness.run(producer.send([batch]))))
    await harness.run(producer.commit())
  }
  await harness.run(producer.close())
  return offsets
}

export async function newTopic(
  harness: LogHarness,
  log: Log,
  partitions = 1,
  settings: TopicSettings = {},
): Promise<string> {
  const name = harness.unique('topic')
  await harness.run(log.createTopics([{ name, partitions, settings }]))
  return name
}

/** What was delivered, as `offset:value`, and where the reader stands. */
export interface ReadResult {
  readonly records: string[]
  readonly position: Offset
}

/** The records of a poll by partition, as `offset:value`. */
export function recordsOf(result: PollResult): Map<string, string[]> {
  const found = new Map<string, string[]>()
  const cursor = new RecordCursor()
  for (const { partition, batches } of result.chunks) {
    const list = found.get(partitionKey(partition)) ?? []
    found.set(partitionKey(partition), list)
    cursor.reset(batches)
    while (cursor.next()) list.push(`${cursor.offset}:${cursor.value()?.toString() ?? 'null'}`)
  }
  return found
}

/** Polls until the position of `at` is at `to` or beyond. Failures of any partition fail the test. */
export async function pollTo(
  harness: LogHarness,
  reader: LogReader,
  at: TopicPartition,
  to: Offset,
): Promise<ReadResult> {
  const records: string[] = []
  let position = -1n
  for (let polls = 0; position < to && polls < 200; polls += 1) {
    const result = await harness.run(reader.poll(100))
    expect(result.failures).toEqual([])
    for (const chunk of result.chunks) {
      if (partitionKey(chunk.partition) === partitionKey(at)) position = chunk.nextOffset
    }
    records.push(...(recordsOf(result).get(partitionKey(at)) ?? []))
  }
  expect(position).toBeGreaterThanOrEqual(to)
  return { records, position }
}

/** The high watermark, once everything below it is decided and visible. */
export async function settledEnd(harness: LogHarness, log: Log, at: TopicPartition): Promise<Offset> {
  let end = -1n
  await eventually(harness, `all transactions in ${partitionKey(at)} are visible`, async () => {
    const [stable] = await harness.run(log.offsets('stable', [at]))
    end = (await harness.run(log.offsets('end', [at])))[0]!
    return stable === end
  })
  return end
}

/** All that a new reader finds from `from` up to the settled end (or `to`), which it has to reach. */
export async function readAll(
  harness: LogHarness,
  log: Log,
  at: TopicPartition,
  from: Offset = 0n,
  to?: Offset,
): Promise<string[]> {
  const end = to ?? (await settledEnd(harness, log, at))
  const reader = log.reader()
  reader.assign(at, from)
  const { records } = await pollTo(harness, reader, at, end)
  await harness.run(reader.close())
  return records
}

/** Polls until a partition fails. */
export async function pollForFailure(harness: LogHarness, reader: LogReader): Promise<FetchFailure> {
  for (let polls = 0; polls < 100; polls += 1) {
    const { failures } = await harness.run(reader.poll(100))
    if (failures.length > 0) {
      expect(failures).toHaveLength(1)
      return failures[0]!
    }
  }
  throw new Error('no partition failed')
}

/** Lets time pass in small steps until `condition` holds. */
export async function eventually(
  harness: LogHarness,
  what: string,
  condition: () => boolean | Promise<boolean>,
  withinMs = 30_000,
): Promise<void> {
  for (let passedMs = 0; passedMs <= withinMs; passedMs += 50) {
    if (await condition()) return
    await harness.elapse(50)
  }
  throw new Error(`${what}: not within ${withinMs} ms`)
}

/** An error with this class name and code. */
export function failure(name: string, code: string): unknown {
  return expect.objectContaining({ name, code })
}
