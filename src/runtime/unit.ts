/**
 * The unit of undo: one input record with all that it causes, or one result of a window that closes with all that it
 * causes downstream. Everything a unit writes (stores, outputs, late records, counts) is kept or taken back together.
 */
import type { RecordTime } from '../state/record-time.ts'
import type { CurrentUnit } from '../topology/stage-context.ts'
import type { Header } from '../topology/stream-record.ts'
import type { InputRecord, StageFailure } from './input-record.ts'

/** How a unit's records appear to receivers behind a repartition. */
export interface UnitOrigin {
  /** Whether its records come from an input channel, or are results of a windowed operator of this task. */
  readonly kind: 'channel' | 'results'
  /** The channel's number, or the operator's number among the task's closing operators. */
  readonly number: number
}

export class Unit implements CurrentUnit, RecordTime {
  failure: StageFailure | undefined
  topic = ''
  partition = 0
  timestampMs = 0
  watermarkMs = -Infinity
  mergeTimeMs = -Infinity
  expiredThroughMs = -Infinity
  isReplay = false
  originKind: UnitOrigin['kind'] = 'channel'
  originNumber = 0
  /** Offset in the source, or number of the result. */
  position = 0
  private record: InputRecord | undefined
  private ownHeaders: readonly Header[] = []
  private resultKey: unknown = null

  get failed(): boolean {
    return this.failure !== undefined
  }

  /** Of the record, or of the window's result. */
  get key(): unknown {
    return this.record === undefined ? this.resultKey : this.record.key
  }

  get offset(): bigint {
    return BigInt(this.position)
  }

  get headers(): readonly Header[] {
    return this.record?.headers ?? this.ownHeaders
  }

  /** The unit is this input record. `decidedThroughMs`: the time through which windows have closed. */
  beginRecord(record: InputRecord, decidedThroughMs: number): void {
    const { origin } = record
    this.record = record
    this.failure = undefined
    this.topic = origin.topic
    this.partition = origin.partition
    this.position = record.position
    this.timestampMs = record.timestampMs
    this.watermarkMs = record.watermarkBeforeMs
    this.mergeTimeMs = record.mergeTimeMs
    this.expiredThroughMs = Math.max(record.watermarkBeforeMs, decidedThroughMs)
    this.isReplay = record.isReplay
    this.originKind = 'channel'
    this.originNumber = origin.channel
  }

  /** The unit is a result of a window that closes. */
  beginResult(result: {
    readonly topic: string
    readonly partition: number
    readonly operator: number
    readonly key: unknown
    readonly position: number
    readonly timestampMs: number
    readonly decidedThroughMs: number
    readonly isReplay: boolean
    readonly headers: readonly Header[]
  }): void {
    this.record = undefined
    this.ownHeaders = result.headers
    this.resultKey = result.key
    this.failure = undefined
    this.topic = result.topic
    this.partition = result.partition
    this.position = result.position
    this.timestampMs = result.timestampMs
    // Results come in the order of their times, so a result's own time is the watermark before it and after it.
    this.watermarkMs = result.timestampMs
    this.mergeTimeMs = result.timestampMs
    this.expiredThroughMs = Math.max(result.timestampMs, result.decidedThroughMs)
    this.isReplay = result.isReplay
    this.originKind = 'results'
    this.originNumber = result.operator
  }
}
