/**
 * Whether a key may be written: a promotion replaces what the comparison saw, a rollback what the promotion wrote, and
 * nothing else. Decided from everything that was published since the comparison.
 */
import type { Log, Offset, TopicPartition } from '../../log/log.ts'
import { readRange } from '../../runtime/commit-log.ts'
import type { Difference } from '../reconciliation/difference-record.ts'
import { copyResult, sameResult, type ResultRecord } from '../reconciliation/result-record.ts'
import { publisherIdOf } from './promotion-headers.ts'

/** Promote: the staged side is published. Rollback: what was published before is restored. */
export type Direction = 'promote' | 'rollback'

/** The newest record of a key since the comparison. */
export interface NewestSince {
  /** `undefined`: a tombstone. */
  readonly result: ResultRecord | undefined
  /** The backfill that published it. */
  readonly publisherId: string | undefined
}

/** `write`: as it should be before. `done`: already as it should be afterwards. `changed`: somebody else wrote. */
export type Judgement = 'write' | 'done' | 'changed'

/** Judges one key; `newest` is `undefined` where nothing was written under it since the comparison. */
export function judge(
  { published, staged }: Difference,
  newest: NewestSince | undefined,
  direction: Direction,
  backfillId: string,
): Judgement {
  const isOwn = newest?.publisherId === backfillId
  if (direction === 'promote') {
    if (newest === undefined || sameResult(newest.result, published)) return 'write'
    return isOwn && sameResult(newest.result, staged) ? 'done' : 'changed'
  }
  // A tombstone that was promoted may be compacted away by now; anything else that was promoted is still there.
  if (newest === undefined) return staged === undefined ? 'write' : 'done'
  if (sameResult(newest.result, published)) return 'done'
  return isOwn && sameResult(newest.result, staged) ? 'write' : 'changed'
}

/** The newest record at offsets in `[from, to)` of each of the keys; keys without one are absent. Keys as latin1. */
export async function newestSince(
  log: Log,
  partition: TopicPartition,
  from: Offset,
  to: Offset,
  keys: ReadonlySet<string>,
): Promise<ReadonlyMap<string, NewestSince>> {
  const newest = new Map<string, NewestSince>()
  await readRange(log, partition, from, to, (cursor) => {
    const key = cursor.key()?.toString('latin1')
    if (key === undefined || !keys.has(key)) return
    newest.set(key, { result: copyResult(cursor), publisherId: publisherIdOf(cursor.headers()) })
  })
  return newest
}
