import { codeOf, messageOf, RecordError, RetriableError } from '../errors.ts'
import type { RecordCursor } from '../log/record-cursor.ts'
import { findHeaderNumber } from '../log/record-headers.ts'
import type { Lookup, Serde } from '../serde/serde.ts'
import { mergeTimeMs } from '../time/canonical-order.ts'
import { isEventTime } from '../time/windows.ts'
import type { TimestampExtractor } from '../topology/topology.ts'
import { INGESTED_AT } from './header-names.ts'
import { InputRecord, type RecordDecoder, type RecordOrigin } from './input-record.ts'

const INGESTED_AT_BYTES = Buffer.from(INGESTED_AT)

/** How the records of one input become keys, values and event times. */
export interface ReaderSpec {
  /** Name of the source or repartition node, for dead letters. */
  readonly stage: string
  readonly key: Serde<unknown>
  readonly value: Serde<unknown>
  /** Event time; the written timestamp where undefined. */
  readonly timestamp: TimestampExtractor | undefined
  readonly outOfOrdernessMs: number
  /** How far event time may lie behind the time of ingestion; `Infinity` where it is not checked. */
  readonly maxFutureSkewMs: number
  /** Called when the check of future timestamps is not possible, for want of an ingestion time. */
  readonly onUncheckedSkew: () => void
}

/**
 * Decodes records. What cannot be decoded becomes a record with a `failure`, not an exception; but for a serde that
 * throws `RetriableError`, since what it lacks it may have later.
 */
export class RecordReader implements RecordDecoder {
  private readonly spec: ReaderSpec

  constructor(spec: ReaderSpec) {
    this.spec = spec
  }

  get outOfOrdernessMs(): number {
    return this.spec.outOfOrdernessMs
  }

  /** Whether records may name what has to be fetched before they can be read. */
  get looksUp(): boolean {
    return this.spec.key.lookup !== undefined || this.spec.value.lookup !== undefined
  }

  /** Adds to `needed` the lookups that have to fetch before the record at which `cursor` stands can be read. */
  addMissing(cursor: RecordCursor, needed: Set<Lookup>): void {
    const { buffer, keyStart, keyEnd, valueStart, valueEnd } = cursor
    const { key, value } = this.spec
    if (keyEnd >= 0 && key.lookup?.missing(buffer, keyStart, keyEnd) === true) needed.add(key.lookup)
    if (valueEnd >= 0 && value.lookup?.missing(buffer, valueStart, valueEnd) === true)
      needed.add(value.lookup)
  }

  /** The record at which `cursor` stands, of a source partition. Its merge time is set by `timeRecord`. */
  readSource(origin: RecordOrigin, cursor: RecordCursor): InputRecord {
    const record = new InputRecord(origin, cursor.offsetNumber, cursor)
    this.decode(record)
    if (record.failure === undefined) this.extractTime(record, cursor)
    return record
  }

  /**
   * The record at which `cursor` stands, of a repartition topic; its times were carried along. It is decoded when its
   * turn comes.
   */
  readCarried(origin: RecordOrigin, position: number, cursor: RecordCursor): InputRecord {
    const record = new InputRecord(origin, position, cursor)
    record.decodeLater(this)
    record.timestampMs = cursor.timestampMs
    return record
  }

  /** Sets the times that depend on the channel's watermark before the record. */
  timeRecord(record: InputRecord, watermarkBeforeMs: number): void {
    record.watermarkBeforeMs = watermarkBeforeMs
    const eventTimeMs = record.failure === undefined ? record.timestampMs : undefined
    record.mergeTimeMs = mergeTimeMs(watermarkBeforeMs, eventTimeMs, this.spec.outOfOrdernessMs)
  }

  /** Fills in key and value, or the failure. `RetriableError` where something has to be fetched first. */
  decode(record: InputRecord): void {
    const { buffer, keyStart, keyEnd, valueStart, valueEnd } = record
    try {
      if (keyEnd >= 0) record.key = this.spec.key.deserialize(buffer, keyStart, keyEnd)
      if (valueEnd >= 0) record.value = this.spec.value.deserialize(buffer, valueStart, valueEnd)
    } catch (error) {
      // Not the record's fault, and what was not fetched is by the next attempt.
      if (error instanceof RetriableError) throw error
      record.failure = { stage: this.spec.stage, error: unreadable(error) }
    }
  }

  private extractTime(record: InputRecord, cursor: RecordCursor): void {
    const { timestamp, stage } = this.spec
    try {
      const timeMs =
        timestamp === undefined ? cursor.timestampMs : timestamp(record.value, record.key, record)
      if (!isEventTime(timeMs)) {
        throw new RecordError(
          'TIMESTAMP_INVALID',
          `event time ${String(timeMs)} is not an integer in [0, 8.64e15]`,
        )
      }
      record.timestampMs = timeMs
      this.checkFutureSkew(timeMs, cursor)
    } catch (error) {
      record.failure = { stage, error }
    }
  }

  /**
   * One record far in the future would close every window. It is measured against the time the record entered the
   * log, never against today's clock: a replay must judge as the first run did.
   */
  private checkFutureSkew(timeMs: number, cursor: RecordCursor): void {
    const { maxFutureSkewMs } = this.spec
    if (maxFutureSkewMs === Infinity) return
    let ingestedMs = NaN
    if (cursor.logAppendTime) ingestedMs = cursor.timestampMs
    else if (cursor.hasHeaders)
      ingestedMs = findHeaderNumber(cursor.buffer, cursor.headersAt, INGESTED_AT_BYTES)
    if (Number.isNaN(ingestedMs)) this.spec.onUncheckedSkew()
    else if (timeMs > ingestedMs + maxFutureSkewMs) {
      throw new RecordError(
        'TIMESTAMP_TOO_FAR_AHEAD',
        `event time ${timeMs} is more than ${maxFutureSkewMs} ms after the record entered the log at ${ingestedMs}`,
      )
    }
  }
}

function unreadable(error: unknown): Error {
  if (error instanceof RecordError) return error
  return new RecordError(codeOf(error, 'RECORD_UNREADABLE'), messageOf(error), { cause: error })
}
