import type { OperatorFunction } from 'rxjs'
import type { StageContext } from '../stage-context.ts'
import type { StreamRecord } from '../stream-record.ts'
import type { KeyValueMapper } from './map.ts'
import { perRecord } from './per-record.ts'

/**
 * Calls `action` and passes the record on. An effect outside the log is not exactly once: it is seen again when
 * records are worked again after a crash. With `sideEffect` a replay passes records on without calling.
 */
export function peek<K, V>(
  stage: StageContext,
  action: KeyValueMapper<K, V, void>,
  sideEffect = false,
): OperatorFunction<StreamRecord<K, V>, StreamRecord<K, V>> {
  const { current } = stage
  return perRecord(stage, (record, downstream) => {
    if (!sideEffect || !current.isReplay) action(record.key, record.value, current)
    downstream.next(record)
  })
}
