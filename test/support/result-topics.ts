/** Published and staged topics made by hand, and a backfill whose run has ended. */
import { createBackfill, holdBackfill, type BackfillPlace } from '../../src/jobs/backfill/backfill-store.ts'
import { advance, plannedBackfill, type BackfillPlan } from '../../src/jobs/backfill/backfill-record.ts'
import type { Invariant, ResultFormat } from '../../src/jobs/reconciliation/result-format.ts'
import type { Log, OutgoingBatch } from '../../src/log/log.ts'
import { RecordBatchBuilder } from '../../src/log/record-batch-builder.ts'
import { Serdes } from '../../src/serde/serdes.ts'
import { examplePlan } from './backfill-plan.ts'

/** A record to be written; `null`: a tombstone. */
export interface Written {
  readonly partition?: number
  readonly key: string | Buffer | null
  readonly value: unknown
  readonly timestampMs: number
  readonly headers?: Readonly<Record<string, string>>
}

/** Results of the tests: JSON objects under keys `SENSOR@…`. */
export function testFormat(...invariants: readonly Invariant[]): ResultFormat {
  return { value: Serdes.json<object>(), invariants, sourceKeyOf: (key) => key.split('@')[0] }
}

let writers = 0

const BATCH_RECORDS = 100

/** Writes in one transaction, in the order given; buffers as they are, other values as JSON. */
export async function writeResults(log: Log, topic: string, records: readonly Written[]): Promise<void> {
  if (records.length === 0) return
  const batches: OutgoingBatch[] = []
  const open = new Map<number, RecordBatchBuilder>()
  for (const { partition = 0, key, value, timestampMs, headers = {} } of records) {
    let builder = open.get(partition)
    if (builder === undefined || builder.count === BATCH_RECORDS) {
      builder = new RecordBatchBuilder()
      open.set(partition, builder)
      batches.push({ topic, partition, records: builder })
    }
    const pairs = Object.entries(headers).map(([name, text]) => ({ key: name, value: Buffer.from(text) }))
    builder.append(timestampMs, key, bytesOf(value), pairs)
  }
  const producer = await log.producer({ transactionalId: `test-writer-${(writers += 1)}` })
  producer.begin()
  await producer.send(batches)
  await producer.commit()
  await producer.close()
}

function bytesOf(value: unknown): Buffer | null {
  if (value === null || Buffer.isBuffer(value)) return value
  return Buffer.from(JSON.stringify(value))
}

/** Makes the published topic and its staging topic, and a backfill that has run. */
export async function ranBackfill(
  place: BackfillPlace,
  id: string,
  partitions: number,
  change: Partial<BackfillPlan> = {},
  published = 'aggregates',
): Promise<string> {
  const staged = `${published}.staging.${id}`
  await place.log.createTopics([
    { name: published, partitions },
    { name: staged, partitions },
  ])
  const plan = examplePlan({
    outputs: [{ kind: 'results', published, staged, partitions }],
    ...change,
  })
  await createBackfill(place, plannedBackfill(id, place.applicationId, plan, 1))
  const held = await holdBackfill(place, id)
  for (const state of ['running', 'ran'] as const) await held.save(advance(held.record, state, 2))
  await held.close()
  return staged
}
