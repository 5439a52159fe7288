import type { OperatorFunction } from 'rxjs'
import type { StageContext } from '../stage-context.ts'
import type { StreamRecord } from '../stream-record.ts'
import type { Predicate } from './filter.ts'
import { perRecord } from './per-record.ts'

/**
 * One branch of a split: passes on the records that none of `earlier` took and that `own` takes; without `own` it is
 * the default branch, which takes the rest. Each record goes to at most one branch, the first that takes it.
 */
export function branch<K, V>(
  stage: StageContext,
  earlier: readonly Predicate<K, V>[],
  own: Predicate<K, V> | undefined,
): OperatorFunction<StreamRecord<K, V>, StreamRecord<K, V>> {
  const { current } = stage
  return perRecord(stage, (record, downstream) => {
    for (const predicate of earlier) {
      if (predicate(record.key, record.value, current)) return
    }
    if (own === undefined || own(record.key, record.value, current)) downstream.next(record)
  })
}
