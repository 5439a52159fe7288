/** The topics of the comparison: written once, read back whole. */
import { RecordBatchBuilder, RecordCursor, type Log, type TopicSettings } from '../../src/index.ts'
import type { Result } from './expected.ts'
import type { ValueFormat } from './formats.ts'
import type { Readings } from './readings.ts'

const RECORDS_PER_BATCH = 500
const RECORDS_PER_TRANSACTION = 20_000

/** Writes all readings into a topic that it makes. */
export async function writeReadings(
  log: Log,
  topic: string,
  readings: Readings,
  format: ValueFormat,
): Promise<void> {
  const { partitions } = readings.workload
  await log.createTopics([{ name: topic, partitions }])
  const producer = await log.producer({ transactionalId: `writer-of-${topic}`, transactionTimeoutMs: 60_000 })
  for (let next = 0; next < readings.count;) {
    const end = Math.min(next + RECORDS_PER_TRANSACTION, readings.count)
    const batches: { topic: string; partition: number; records: RecordBatchBuilder }[] = []
    const filling = Array.from({ length: partitions }, () => new RecordBatchBuilder())
    for (; next < end; next++) {
      const reading = readings.at(next)
      const { partition, timestamp, sensorId } = reading
      const records = filling[partition]!
      records.append(timestamp, sensorId, format.encodeReading(reading))
      if (records.count < RECORDS_PER_BATCH) continue
      batches.push({ topic, partition, records })
      filling[partition] = new RecordBatchBuilder()
    }
    filling.forEach((records, partition) => {
      if (records.count > 0) batches.push({ topic, partition, records })
    })
    producer.begin()
    await producer.send(batches)
    await producer.commit()
  }
  await producer.close()
}

/** All committed results of a topic. */
export async function readResults(
  log: Log,
  topic: string,
  partitions: number,
  format: ValueFormat,
): Promise<readonly (readonly [string, Result])[]> {
  const found: [string, Result][] = []
  const reader = log.reader()
  const cursor = new RecordCursor()
  for (let partition = 0; partition < partitions; partition++) {
    const [end] = await log.offsets('stable', [{ topic, partition }])
    reader.assign({ topic, partition }, 0n)
    for (let position = 0n; position < end!;) {
      const { chunks } = await reader.poll(100)
      for (const { batches, nextOffset } of chunks) {
        cursor.reset(batches)
        while (cursor.next()) {
          found.push([cursor.key()!.toString(), format.decodeResult(cursor.value()!)])
        }
        position = nextOffset
      }
    }
    reader.unassign({ topic, partition })
  }
  await reader.close()
  return found
}

/** Makes topics anew, empty; with settings of its own where one has any. */
export async function renew(
  log: Log,
  names: readonly string[],
  partitions: number,
  settings: Readonly<Record<string, TopicSettings>> = {},
): Promise<void> {
  await log.deleteTopics(names)
  await log.createTopics(names.map((name) => ({ name, partitions, settings: settings[name] ?? {} })))
}

/** Removes everything that an application has left at the broker. */
export async function removeTraces(log: Log, applicationId: string): Promise<void> {
  const topics = await log.listTopics()
  await log.deleteTopics(topics.filter((topic) => topic.startsWith(`${applicationId}-`)))
  await log.deleteGroup(applicationId)
}
