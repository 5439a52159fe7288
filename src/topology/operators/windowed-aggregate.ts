import { Observable, type OperatorFunction } from 'rxjs'
import type { WindowStore } from '../../state/state-store.ts'
import { judge } from '../../time/lateness.ts'
import type { EmitStrategy } from '../../time/emit-strategy.ts'
import type { TimeWindows, Windowed } from '../../time/windows.ts'
import type { ClosedThrough, StageContext } from '../stage-context.ts'
import { FlowRecord, type StreamRecord } from '../stream-record.ts'
import { requireKeyAndValue, type Aggregation } from './aggregate.ts'
import { perRecord, type RecordWork } from './per-record.ts'

/**
 * Aggregates per key and window.
 *
 * For each window that contains the record's time: late by the record's own watermark, closed by a decision, or on
 * time and counted (time/lateness.ts). A record that counts for no window goes to the late side output; one that
 * counts for some is counted as partly late.
 *
 * Results are timestamped `windowEnd - 1`, so that they fall into the window of the same span downstream. On close
 * the runtime drives `emitResult` in the order (end, start, key bytes); on update each counted record emits the new
 * aggregate of each of its windows, earliest window first.
 */
export function windowedAggregate<K, V, A>(
  stage: StageContext,
  aggregation: Aggregation<K, V, A>,
  windows: TimeWindows,
  emitStrategy: EmitStrategy,
  storeName: string,
): OperatorFunction<StreamRecord<K, V>, StreamRecord<Windowed<K>, A>> {
  return (source) =>
    new Observable((downstream) => {
      const closed = stage.closing({
        windows,
        storeName,
        emits: emitStrategy === 'onWindowClose',
        // The unit's headers say why, where it was not time that closed the window.
        emitResult: (key, startMs, value) =>
          downstream.next(resultOf(windows, key as K, startMs, value as A, stage.current.headers)),
      })
      const plan = { aggregation, windows, closed, emitsUpdates: emitStrategy === 'onWindowUpdate' }
      return perRecord(
        stage,
        workRecord(stage, plan, stage.windowStore(storeName)),
      )(source).subscribe(downstream)
    })
}

interface WindowedPlan<K, V, A> {
  readonly aggregation: Aggregation<K, V, A>
  readonly windows: TimeWindows
  readonly closed: ClosedThrough
  readonly emitsUpdates: boolean
}

function workRecord<K, V, A>(
  stage: StageContext,
  { aggregation, windows, closed, emitsUpdates }: WindowedPlan<K, V, A>,
  store: WindowStore<K, A>,
): RecordWork<StreamRecord<K, V>, StreamRecord<Windowed<K>, A>> {
  const { current } = stage
  return (record, downstream) => {
    requireKeyAndValue(stage, record)
    const { key, value, timestampMs } = record
    const lastMs = windows.latestStartMs(timestampMs)
    let counted = 0
    let lateStartsMs: number[] | undefined
    let lateByWatermark = false
    const { watermarkMs } = stage
    for (
      let startMs = windows.earliestStartMs(timestampMs);
      startMs <= lastMs;
      startMs += windows.advanceMs
    ) {
      const verdict = judge(windows.closesAtMs(startMs), watermarkMs, closed.closedThroughMs)
      if (verdict !== 'on-time') {
        lateByWatermark ||= verdict === 'late'
        ;(lateStartsMs ??= []).push(startMs)
        continue
      }
      counted++
      const before = store.fetch(key, startMs)
      const after =
        before === undefined ? aggregation.first(key, value) : aggregation.next(key, value, before)
      store.put(key, startMs, after)
      if (emitsUpdates) {
        downstream.next(resultOf(windows, key, startMs, after, record.headers))
        if (current.failed) return
      }
    }
    if (lateStartsMs === undefined) return
    if (counted > 0) stage.partlyLate()
    else stage.late(record, { windows, startsMs: lateStartsMs, closedByDecision: !lateByWatermark })
  }
}

function resultOf<K, A>(
  windows: TimeWindows,
  key: K,
  startMs: number,
  value: A,
  headers: StreamRecord['headers'],
): StreamRecord<Windowed<K>, A> {
  const window = windows.windowAt(startMs)
  return new FlowRecord({ key, window }, value, window.endMs - 1, headers)
}
