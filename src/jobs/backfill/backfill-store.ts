/**
 * The records of an application's backfills, in a compacted topic: key = id, value = the record as JSON, the newest of
 * each id counts.
 *
 * Whoever changes a record holds it: a transactional producer per id, so that of two that hold the same id only the
 * later one can write.
 */
import { FatalError } from '../../errors.ts'
import type { Log, LogProducer, TopicPartition } from '../../log/log.ts'
import { RecordBatchBuilder } from '../../log/record-batch-builder.ts'
import { readRange } from '../../runtime/commit-log.ts'
import { backfillApplicationId, backfillsTopic, checkBackfillId } from './backfill-names.ts'
import { decodeBackfill, encodeBackfill, type BackfillRecord } from './backfill-record.ts'

export interface BackfillPlace {
  readonly log: Log
  readonly applicationId: string
}

/** All backfills of the application, the oldest first; none where there has never been one. */
export async function listBackfills(place: BackfillPlace): Promise<readonly BackfillRecord[]> {
  const records = await readRecords(place)
  return [...records.values()].sort((a, b) => a.createdAtMs - b.createdAtMs || (a.id < b.id ? -1 : 1))
}

/** One backfill. `FatalError` `BACKFILL_UNKNOWN` where there is none; `ConfigError` for what is no id. */
export async function readBackfill(place: BackfillPlace, id: string): Promise<BackfillRecord> {
  checkBackfillId(id)
  const records = await readRecords(place)
  const record = records.get(id)
  if (record !== undefined) return record
  const known = [...records.keys()].slice(-5).join(', ')
  throw new FatalError(
    'BACKFILL_UNKNOWN',
    `Application ${place.applicationId} has no backfill ${id}` + (known === '' ? '.' : `; it has ${known}.`),
  )
}

async function readRecords({ log, applicationId }: BackfillPlace): Promise<Map<string, BackfillRecord>> {
  const partition = partitionOf(applicationId)
  const records = new Map<string, BackfillRecord>()
  if (!(await log.describeTopics([partition.topic])).has(partition.topic)) return records
  const [start] = await log.offsets('start', [partition])
  // The high watermark: what was committed a moment ago need not be visible yet, and is waited for.
  const [end] = await log.offsets('end', [partition])
  await readRange(log, partition, start!, end!, (cursor) => {
    const id = cursor.key()?.toString('utf8') ?? ''
    const value = cursor.value()
    if (value === null) records.delete(id)
    else records.set(id, decodeBackfill(value.toString('utf8')))
  })
  return records
}

/** The right to change one record. Made by `holdBackfill`; to be closed. */
export class HeldBackfill {
  private readonly producer: LogProducer
  private readonly partition: TopicPartition
  private current: BackfillRecord

  constructor(producer: LogProducer, record: BackfillRecord) {
    this.producer = producer
    this.partition = partitionOf(record.applicationId)
    this.current = record
  }

  /** The record as it was written last. */
  get record(): BackfillRecord {
    return this.current
  }

  /** Writes the record. `FencedError` when somebody else holds it by now; nothing is written then. */
  async save(record: BackfillRecord): Promise<void> {
    await writeRecord(this.producer, this.partition, record)
    this.current = record
  }

  /** Lets the record go. Idempotent. */
  async close(): Promise<void> {
    await this.producer.close()
  }
}

/** Takes the right to change a record from whoever has it. Refuses as `readBackfill` does. */
export async function holdBackfill(place: BackfillPlace, id: string): Promise<HeldBackfill> {
  await readBackfill(place, id)
  const producer = await place.log.producer({ transactionalId: transactionalIdOf(place, id) })
  try {
    // Once more, now that nobody else can write it.
    return new HeldBackfill(producer, await readBackfill(place, id))
  } catch (error) {
    await producer.close()
    throw error
  }
}

/** Writes a new record. `FatalError` `BACKFILL_EXISTS` where the id is taken. */
export async function createBackfill(place: BackfillPlace, record: BackfillRecord): Promise<void> {
  checkBackfillId(record.id)
  const partition = partitionOf(place.applicationId)
  const settings = { cleanup: 'compact', retentionMs: -1 } as const
  await place.log.createTopics([{ name: partition.topic, partitions: 1, settings }])
  const producer = await place.log.producer({ transactionalId: transactionalIdOf(place, record.id) })
  try {
    if ((await readRecords(place)).has(record.id)) throw exists(record.id)
    await writeRecord(producer, partition, record)
  } finally {
    await producer.close()
  }
}

/** Refuses an id that is taken (`FatalError` `BACKFILL_EXISTS`), before work is put into a plan. */
export async function refuseExisting(place: BackfillPlace, id: string): Promise<void> {
  checkBackfillId(id)
  if ((await readRecords(place)).has(id)) throw exists(id)
}

function exists(id: string): FatalError {
  return new FatalError('BACKFILL_EXISTS', `There is a backfill ${id} already. Choose another --id.`)
}

async function writeRecord(
  producer: LogProducer,
  partition: TopicPartition,
  record: BackfillRecord,
): Promise<void> {
  const records = new RecordBatchBuilder()
  records.append(record.updatedAtMs, record.id, encodeBackfill(record))
  producer.begin()
  await producer.send([{ ...partition, records }])
  await producer.commit()
}

function transactionalIdOf({ applicationId }: BackfillPlace, id: string): string {
  return `${backfillApplicationId(applicationId, id)}.record`
}

function partitionOf(applicationId: string): TopicPartition {
  return { topic: backfillsTopic(applicationId), partition: 0 }
}
