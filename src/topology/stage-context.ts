/**
 * What the runtime gives to an operator: everything it may know and do besides passing records on. Implemented in
 * runtime/; named here so that topology/ depends on nothing above it.
 */
import type { KeyValueStore, WindowStore } from '../state/state-store.ts'
import type { TimeWindows } from '../time/windows.ts'
import type { RecordContext, StreamRecord } from './stream-record.ts'

/** The unit being worked: one input record, or one result of a window that closes, with all it causes. */
export interface CurrentUnit extends RecordContext {
  /** A stage has failed: whatever is still passed on will be undone. */
  readonly failed: boolean
}

/** A count that is part of the task's state: exact over crashes, undone with its record. */
export interface Counter {
  increment(): void
}

/** How a windowed operator takes part in closing; called by the runtime, never during a record. */
export interface ClosingOperator {
  readonly windows: TimeWindows
  readonly storeName: string
  /** False where results were emitted on update: then closing only forgets. */
  readonly emits: boolean
  emitResult(key: unknown, startMs: number, value: unknown): void
}

/** The time through which an operator's windows have closed; kept by the runtime. */
export interface ClosedThrough {
  /** Windows with `closesAtMs` at or below it are closed. Never falls. */
  readonly closedThroughMs: number
}

/** For how many of a record's windows which verdict was found. */
export interface LateWindows {
  readonly windows: TimeWindows
  /** Starts of the windows the record was late for. */
  readonly startsMs: readonly number[]
  /** True when all of them were closed by a decision only, none by the record's own watermark. */
  readonly closedByDecision: boolean
}

export interface StageContext {
  /** The stage's name. */
  readonly name: string
  readonly current: CurrentUnit
  /**
   * The watermark by which this stage judges lateness: that of the record's own source partition before the record,
   * less the grace of windows before this stage that send updates until they close.
   */
  readonly watermarkMs: number
  /** The current unit has failed here; nothing is thrown. The first failure of a unit counts. */
  fail(error: unknown): void
  keyValueStore<K, V>(name: string): KeyValueStore<K, V>
  windowStore<K, V>(name: string): WindowStore<K, V>
  counter(name: string): Counter
  /** Registers a windowed operator; answers its closed-through time, which moves on by itself. */
  closing(operator: ClosingOperator): ClosedThrough
  /** The record is late for all its windows: side output. */
  late(record: StreamRecord, late: LateWindows): void
  /** The record counted for some of its windows and was late for others. */
  partlyLate(): void
}
