import type { OperatorFunction } from 'rxjs'
import type { StageContext } from '../stage-context.ts'
import { FlowRecord, type RecordContext, type StreamRecord } from '../stream-record.ts'
import { perRecord } from './per-record.ts'

/** A key and a value. */
export type KeyValue<K, V> = readonly [key: K, value: V]

export type KeyValueMapper<K, V, R> = (key: K, value: V, context: RecordContext) => R
export type ValueMapper<K, V, R> = (value: V, key: K, context: RecordContext) => R

/** One record for each record, with a new key and value; time and headers stay. */
export function map<K, V, K2, V2>(
  stage: StageContext,
  mapper: KeyValueMapper<K, V, KeyValue<K2, V2>>,
): OperatorFunction<StreamRecord<K, V>, StreamRecord<K2, V2>> {
  const { current } = stage
  return perRecord(stage, (record, downstream) => {
    const [key, value] = mapper(record.key, record.value, current)
    downstream.next(new FlowRecord(key, value, record.timestampMs, record.headers))
  })
}

/** One record for each record, with a new value; key, time and headers stay. */
export function mapValues<K, V, V2>(
  stage: StageContext,
  mapper: ValueMapper<K, V, V2>,
): OperatorFunction<StreamRecord<K, V>, StreamRecord<K, V2>> {
  const { current } = stage
  return perRecord(stage, (record, downstream) => {
    const value = mapper(record.value, record.key, current)
    downstream.next(new FlowRecord(record.key, value, record.timestampMs, record.headers))
  })
}

/** One record for each record, with a new key; value, time and headers stay. */
export function selectKey<K, V, K2>(
  stage: StageContext,
  mapper: KeyValueMapper<K, V, K2>,
): OperatorFunction<StreamRecord<K, V>, StreamRecord<K2, V>> {
  const { current } = stage
  return perRecord(stage, (record, downstream) => {
    const key = mapper(record.key, record.value, current)
    downstream.next(new FlowRecord(key, record.value, record.timestampMs, record.headers))
  })
}
