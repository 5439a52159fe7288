import { type Observable, of, type OperatorFunction } from 'rxjs'
import { RecordError } from '../../errors.ts'
import type { StageContext } from '../stage-context.ts'
import { FlowRecord, type StreamRecord } from '../stream-record.ts'
import { perRecord, requireEventTime } from './per-record.ts'

/** A chain of RxJS operators, as a function of observables. */
export type RxSegment<In, Out> = (source: Observable<In>) => Observable<Out>

/**
 * A user's own chain of synchronous RxJS operators. It is subscribed afresh for every record, to a source of that one
 * record that then completes: so no operator state outlives a record, and no crash, commit or rebalance can be seen
 * in the results. `scan` begins anew each time, `bufferCount(2)` gives buffers of one; state belongs in `process`.
 *
 * A chain that has not completed when the call returns (it waits for a timer or a promise) fails the record with
 * `RX_NOT_SYNCHRONOUS` and is unsubscribed; an error of the chain fails the record.
 */
export function rxSegment<K, V, K2, V2>(
  stage: StageContext,
  segment: RxSegment<StreamRecord<K, V>, StreamRecord<K2, V2>>,
): OperatorFunction<StreamRecord<K, V>, StreamRecord<K2, V2>> {
  return perRecord(stage, (record, downstream) => {
    // A record as it came from the log has accessors, which `{ ...record }` would lose.
    drain(stage, of(plain(record)).pipe(segment), (output) => {
      requireEventTime(stage, output.timestampMs)
      downstream.next(plain(output))
    })
  })
}

/** The same for values only: key, time and headers stay. */
export function rxValueSegment<K, V, V2>(
  stage: StageContext,
  segment: RxSegment<V, V2>,
): OperatorFunction<StreamRecord<K, V>, StreamRecord<K, V2>> {
  return perRecord(stage, (record, downstream) => {
    drain(stage, of(record.value).pipe(segment), (value) =>
      downstream.next(new FlowRecord(record.key, value, record.timestampMs, record.headers)),
    )
  })
}

function plain<K, V>(record: StreamRecord<K, V>): FlowRecord<K, V> {
  if (record instanceof FlowRecord) return record as FlowRecord<K, V>
  return new FlowRecord(record.key, record.value, record.timestampMs, record.headers)
}

function drain<T>(stage: StageContext, outputs: Observable<T>, emit: (output: T) => void): void {
  let completed = false
  let failure: { error: unknown } | undefined
  const subscription = outputs.subscribe({
    next(output) {
      if (failure !== undefined || stage.current.failed) return
      // Thrown out of here it would not reach the caller: RxJS reports it later, to nobody.
      try {
        emit(output)
      } catch (error) {
        failure = { error }
      }
    },
    error(error) {
      failure ??= { error }
    },
    complete() {
      completed = true
    },
  })
  subscription.unsubscribe()
  if (failure !== undefined) throw failure.error
  if (!completed) {
    throw new RecordError(
      'RX_NOT_SYNCHRONOUS',
      `the RxJS operators of stage ${stage.name} did not complete during the record: ` +
        'only synchronous operators are allowed',
    )
  }
}
