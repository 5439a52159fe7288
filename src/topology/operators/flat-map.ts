import type { OperatorFunction } from 'rxjs'
import type { StageContext } from '../stage-context.ts'
import { FlowRecord, type StreamRecord } from '../stream-record.ts'
import type { KeyValue, KeyValueMapper, ValueMapper } from './map.ts'
import { perRecord } from './per-record.ts'

/** Any number of records for each record, in the order of the iterable; all keep its time and headers. */
export function flatMap<K, V, K2, V2>(
  stage: StageContext,
  mapper: KeyValueMapper<K, V, Iterable<KeyValue<K2, V2>>>,
): OperatorFunction<StreamRecord<K, V>, StreamRecord<K2, V2>> {
  const { current } = stage
  return perRecord(stage, (record, downstream) => {
    for (const [key, value] of mapper(record.key, record.value, current)) {
      downstream.next(new FlowRecord(key, value, record.timestampMs, record.headers))
      if (current.failed) return
    }
  })
}

/** Any number of values for each record, in the order of the iterable; all keep its key, time and headers. */
export function flatMapValues<K, V, V2>(
  stage: StageContext,
  mapper: ValueMapper<K, V, Iterable<V2>>,
): OperatorFunction<StreamRecord<K, V>, StreamRecord<K, V2>> {
  const { current } = stage
  return perRecord(stage, (record, downstream) => {
    for (const value of mapper(record.value, record.key, current)) {
      downstream.next(new FlowRecord(record.key, value, record.timestampMs, record.headers))
      if (current.failed) return
    }
  })
}
