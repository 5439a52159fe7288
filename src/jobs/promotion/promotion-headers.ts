/** Headers that name the backfill on what it has published. */
import type { RecordHeader } from '../../log/record-batch-builder.ts'

/** Their names; all begin the same. */
export const PROMOTION_HEADERS = {
  id: '__millrace.backfill.id',
  planHash: '__millrace.backfill.plan-hash',
  /** The number of the promotion or rollback within its backfill, from 1. */
  round: '__millrace.backfill.round',
} as const

const PREFIX = '__millrace.backfill.'

/** Which backfill publishes, and in which round. */
export interface Publisher {
  readonly id: string
  readonly planHash: string
  readonly round: number
}

/** The headers of a result that is published: its own, and who published it. */
export function withPublisher(
  headers: readonly RecordHeader[],
  publisher: Publisher,
): readonly RecordHeader[] {
  return [
    ...headers.filter(({ key }) => !key.startsWith(PREFIX)),
    { key: PROMOTION_HEADERS.id, value: Buffer.from(publisher.id) },
    { key: PROMOTION_HEADERS.planHash, value: Buffer.from(publisher.planHash) },
    { key: PROMOTION_HEADERS.round, value: Buffer.from(String(publisher.round)) },
  ]
}

/** The id of the backfill that published a record; `undefined` where none did. */
export function publisherIdOf(headers: readonly RecordHeader[]): string | undefined {
  return headers.findLast(({ key }) => key === PROMOTION_HEADERS.id)?.value?.toString('utf8')
}
