/** One ordered stream of records of a task, with its watermark kept by the task's `InputProgress`. */
import type { InputRecord, RecordOrigin } from './input-record.ts'

/** A bounded run as a channel meets its end. */
export interface ChannelEnd {
  readonly run: number
  readonly flush: boolean
}

/** What the commit entry keeps of a channel behind a repartition. */
export interface RepartitionChannelState {
  readonly position: number
  /** Items of this channel below this offset of the repartition partition have been taken. */
  readonly takenThrough: number
  /** See `isWithinSource`. */
  readonly withinSource: boolean
  readonly endedRun: number
  readonly endedWithFlush: boolean
}

export interface InputChannel {
  readonly origin: RecordOrigin
  /** The next position: everything before it in its origin has been taken, or never existed. */
  readonly position: number
  /** The next record to take; markers in front of it have been applied. `undefined` when nothing has arrived. */
  peek(): InputRecord | undefined
  /**
   * The record that `peek` answered has been worked; `succeeded` unless it became a dead letter or was skipped. Moves
   * the channel's watermark where the record moves it.
   */
  take(succeeded: boolean): void
  /**
   * Where the channel ends in the present bounded run, once that is reached: nothing is left before it. `undefined`
   * while it is not reached, or in an unbounded run.
   */
  readonly reachedEnd: ChannelEnd | undefined
  /** Whether everything before that end has arrived, taken or not. */
  readonly endArrived: boolean
  /** Its sender said that it is silent. */
  readonly saidIdle: boolean
  /** Something has come since it was silent: a record, or from its sender the word that there is progress. */
  readonly hasSpoken: boolean
  /**
   * Whether more may come of the source record that the record taken last came of: positions cannot tell them apart, so
   * nothing is decided between them. What a record caused is in one transaction, with a marker behind it.
   */
  readonly isWithinSource: boolean
  /** What the commit entry keeps besides position and watermark; `undefined` for a source partition. */
  readonly state: RepartitionChannelState | undefined
  /** Bytes waiting in memory. */
  readonly heldBytes: number
}
