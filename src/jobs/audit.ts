/**
 * The audit: who did what to an application, when, and what came of it; one JSON record each in a topic that only ever
 * grows.
 *
 * Work whose effect is a transaction puts its record into that transaction (`auditBatch`), so that neither is there
 * without the other. Other work is framed (`audited`): a record before it begins, another when it has ended. A `begun`
 * without an end was killed.
 */
import type { Clock, Random } from '../clock.ts'
import { codeOf, FatalError, messageOf } from '../errors.ts'
import type { Log, OutgoingBatch, TopicSpec } from '../log/log.ts'
import { RecordBatchBuilder } from '../log/record-batch-builder.ts'
import { readRange } from '../runtime/commit-log.ts'

/** How an operation stands. `interrupted`: it stopped in order, and the same command goes on with it. */
export type AuditResult = 'begun' | 'ok' | 'failed' | 'interrupted'

/** A record of the audit. */
export interface AuditRecord {
  readonly formatVersion: 1
  /** Names the operation; all its records have it. */
  readonly operation: string
  /** ISO-8601, by the wall clock of who wrote it. */
  readonly time: string
  /** `user@host`, or the name that was given. */
  readonly by: string
  readonly application: string
  /** As on the command line: `dlq replay`. */
  readonly command: string
  readonly result: AuditResult
  /** Of what failed. */
  readonly errorCode?: string
  /** SHA-256 of the plan that was carried out, hexadecimal. */
  readonly planHash?: string
  readonly counts: Readonly<Record<string, number>>
  /** Whatever else tells what was done. */
  readonly details?: Readonly<Record<string, string>>
}

/** Where records go, and who writes them. */
export interface AuditTrail {
  readonly log: Log
  readonly clock: Clock
  readonly random: Random
  readonly applicationId: string
  readonly by: string
}

/** What is the same in all records of an operation. */
export interface AuditedOperation {
  readonly operation: string
  readonly command: string
  readonly planHash?: string
  readonly details?: Readonly<Record<string, string>>
}

/** The audit topic of an application. */
export function auditTopic(applicationId: string): string {
  return `${applicationId}.audit`
}

/** How the topic is made: one partition, kept for ever. */
export function auditTopicSpec(applicationId: string): TopicSpec {
  return { name: auditTopic(applicationId), partitions: 1, settings: { retentionMs: -1 } }
}

/** The record of an operation as of now. */
export function auditRecord(
  { clock, applicationId, by }: Pick<AuditTrail, 'clock' | 'applicationId' | 'by'>,
  { operation, command, planHash, details }: AuditedOperation,
  result: AuditResult,
  counts: Readonly<Record<string, number>> = {},
  error?: unknown,
): AuditRecord {
  return {
    formatVersion: 1,
    operation,
    time: new Date(clock.now()).toISOString(),
    by,
    application: applicationId,
    command,
    result,
    ...(error !== undefined && { errorCode: codeOf(error, 'FAILED') }),
    ...(planHash !== undefined && { planHash }),
    counts,
    ...(details !== undefined && { details }),
  }
}

/** The record as a batch, for the transaction of what it tells of. The topic has to be there. */
export function auditBatch(record: AuditRecord): OutgoingBatch {
  const records = new RecordBatchBuilder(1_024)
  records.append(Date.parse(record.time), record.operation, JSON.stringify(record))
  return { topic: auditTopic(record.application), partition: 0, records }
}

/** Writes a record in a transaction of its own; makes the topic where it is missing. */
export async function writeAudit(trail: AuditTrail, record: AuditRecord): Promise<void> {
  const { log, random, applicationId } = trail
  await log.createTopics([auditTopicSpec(applicationId)])
  const transactionalId = `${auditTopic(applicationId)}-${random.uuid()}`
  const producer = await log.producer({ transactionalId })
  try {
    producer.begin()
    await producer.send([auditBatch(record)])
    await producer.commit()
  } finally {
    await producer.close()
  }
}

/** Does the work between a record that it begins and one of how it ended; rejects with what the work failed with. */
export async function audited<T>(
  trail: AuditTrail,
  operation: AuditedOperation,
  work: () => Promise<{ readonly outcome: T; readonly counts: Readonly<Record<string, number>> }>,
): Promise<T> {
  await writeAudit(trail, auditRecord(trail, operation, 'begun'))
  try {
    const { outcome, counts } = await work()
    await writeAudit(trail, auditRecord(trail, operation, 'ok', counts))
    return outcome
  } catch (error) {
    // What went wrong matters more than that it cannot be written down; the record of the beginning stays.
    await writeAudit(trail, auditRecord(trail, operation, 'failed', {}, error)).catch(() => undefined)
    throw error
  }
}

/** The records of an application, oldest first; only the newest `limit` where that is given. */
export async function readAudit(
  log: Log,
  applicationId: string,
  limit = Infinity,
): Promise<readonly AuditRecord[]> {
  const place = { topic: auditTopic(applicationId), partition: 0 }
  if (!(await log.describeTopics([place.topic])).has(place.topic)) return []
  const [start] = await log.offsets('start', [place])
  const [stable] = await log.offsets('stable', [place])
  const found: AuditRecord[] = []
  await readRange(log, place, start ?? 0n, stable ?? 0n, (cursor) => {
    found.push(decode(cursor.value(), `${place.topic}@${cursor.offset}`))
    if (found.length > limit) found.shift()
  })
  return found
}

function decode(bytes: Buffer | null, where: string): AuditRecord {
  let record: Partial<AuditRecord> | null
  try {
    record = JSON.parse(bytes?.toString('utf8') ?? 'null') as Partial<AuditRecord> | null
  } catch (error) {
    throw unreadable(where, messageOf(error))
  }
  if (record?.formatVersion !== 1) throw unreadable(where, 'its format is not that of this version')
  return record as AuditRecord
}

function unreadable(where: string, why: string): FatalError {
  return new FatalError('AUDIT_UNREADABLE', `The audit record ${where} cannot be read: ${why}.`)
}
