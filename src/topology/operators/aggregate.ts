import type { OperatorFunction } from 'rxjs'
import { RecordError } from '../../errors.ts'
import type { KeyValueStore } from '../../state/state-store.ts'
import type { StageContext } from '../stage-context.ts'
import { FlowRecord, type StreamRecord } from '../stream-record.ts'
import { perRecord } from './per-record.ts'

/** How values become an aggregate. Pure; answers a new aggregate and leaves the old one as it was. */
export interface Aggregation<K, V, A> {
  /** The aggregate after the first value of a key. */
  first(key: K, value: V): A
  /** The aggregate after a further value. */
  next(key: K, value: V, aggregate: A): A
}

/**
 * Aggregates per key without windows and passes on every new aggregate (a table's changes). Needs a key and a value:
 * without them the record fails with `KEY_MISSING` or `VALUE_MISSING`.
 */
export function aggregate<K, V, A>(
  stage: StageContext,
  aggregation: Aggregation<K, V, A>,
  storeName: string,
): OperatorFunction<StreamRecord<K, V>, StreamRecord<K, A>> {
  const store: KeyValueStore<K, A> = stage.keyValueStore(storeName)
  return perRecord(stage, (record, downstream) => {
    requireKeyAndValue(stage, record)
    const before = store.get(record.key)
    const after =
      before === undefined
        ? aggregation.first(record.key, record.value)
        : aggregation.next(record.key, record.value, before)
    store.put(record.key, after)
    downstream.next(new FlowRecord(record.key, after, record.timestampMs, record.headers))
  })
}

/** Fails a record that cannot be aggregated. */
export function requireKeyAndValue(stage: StageContext, record: StreamRecord): void {
  if (record.key === null || record.key === undefined) {
    throw new RecordError('KEY_MISSING', `stage ${stage.name} aggregates by key, and the record has none`)
  }
  if (record.value === null || record.value === undefined) {
    throw new RecordError('VALUE_MISSING', `stage ${stage.name} aggregates values, and the record has none`)
  }
}
