import type { OperatorFunction } from 'rxjs'
import type { StageContext } from '../stage-context.ts'
import type { RecordContext, StreamRecord } from '../stream-record.ts'
import { perRecord } from './per-record.ts'

/** Decides about a record by its key, its value and where it comes from. */
export type Predicate<K, V> = (key: K, value: V, context: RecordContext) => boolean

/** Passes on the records for which `predicate` answers `keep`; the others end here and still move the watermark. */
export function filter<K, V>(
  stage: StageContext,
  predicate: Predicate<K, V>,
  keep: boolean,
): OperatorFunction<StreamRecord<K, V>, StreamRecord<K, V>> {
  const { current } = stage
  return perRecord(stage, (record, downstream) => {
    if (predicate(record.key, record.value, current) === keep) downstream.next(record)
  })
}
