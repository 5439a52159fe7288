/**
 * The protocol that all operators share.
 *
 * What lives in `operators/`: one RxJS operator per file, each a function of its stage and the user's function. What
 * never does: I/O, promises, RxJS operators that keep state or look at the wall clock.
 *
 * In RxJS an error ends the stream. One bad record must not end a task, so an operator catches what user code throws
 * and tells its stage; errors never travel along the observables. Completion does not occur on the record path.
 */
import { Observable, type OperatorFunction, type Subscriber } from 'rxjs'
import { RecordError } from '../../errors.ts'
import { isEventTime } from '../../time/windows.ts'
import type { StageContext } from '../stage-context.ts'

/** Works one record and passes on what comes of it. */
export type RecordWork<In, Out> = (record: In, downstream: Subscriber<Out>) => void

/**
 * An operator that calls `work` for each record. What `work` throws becomes the failure of the current unit, under
 * this stage's name; what it passed on before is undone with the unit.
 */
export function perRecord<In, Out>(
  stage: StageContext,
  work: RecordWork<In, Out>,
): OperatorFunction<In, Out> {
  return (source) =>
    new Observable<Out>((downstream) =>
      source.subscribe({
        next(record) {
          try {
            work(record, downstream)
          } catch (error) {
            stage.fail(error)
          }
        },
      }),
    )
}

/** Fails a record with `TIMESTAMP_INVALID` where user code gives what it passes on a time that is no event time. */
export function requireEventTime(stage: StageContext, timeMs: unknown): void {
  if (isEventTime(timeMs)) return
  throw new RecordError(
    'TIMESTAMP_INVALID',
    `stage ${stage.name} passes on a record with time ${String(timeMs)}, not an integer in [0, 8.64e15]`,
  )
}
