/** How records that cannot be worked, or come too late, are kept: dead letters and the late side output. */
import type { Clock } from '../clock.ts'
import { codeOf, messageOf } from '../errors.ts'
import type { RecordHeader } from '../log/record-batch-builder.ts'
import type { LateReason } from '../time/lateness.ts'
import { fitDeadLetter, type DeadLetter } from './dead-letter.ts'
import { DEAD_LETTER, LATE, REPLAY } from './header-names.ts'
import type { InputRecord, StageFailure } from './input-record.ts'

/** Stack traces are for reading. */
const STACK_CHARACTERS_MAX = 4_000
const MESSAGE_CHARACTERS_MAX = 1_000

/** A window result that could not be sent on. */
export interface FailedResult {
  readonly topic: string
  readonly partition: number
  readonly position: number
  readonly key: Buffer
  readonly value: Buffer
  readonly timestampMs: number
  readonly windowStartMs: number
  readonly windowEndMs: number
}

/**
 * The dead letter of an input record: key, value, timestamp and headers as they came, and headers that say where it
 * came from and what went wrong; attempts before a replay count on. A record that is too large keeps its headers, and
 * its value's size and SHA-256; the value is cut.
 */
export function deadLetterOf(
  record: InputRecord,
  failure: StageFailure,
  clock: Clock,
  maxRecordBytes: number,
): DeadLetter {
  const place = { topic: record.topic, partition: record.partition, offset: record.offset }
  const attempt = earlierAttempts(record.headers) + record.attempt
  const headers = [...record.headers, ...errorHeaders(failure, place, attempt, clock)]
  const letter = {
    timestampMs: record.writtenTimestampMs,
    key: record.rawKey(),
    value: record.rawValue(),
    headers,
  }
  return fitDeadLetter(letter, maxRecordBytes)
}

/** The dead letter of a window result: its key and aggregate as the store writes them, and its window in headers. */
export function deadLetterOfResult(
  result: FailedResult,
  failure: StageFailure,
  clock: Clock,
  maxRecordBytes: number,
): DeadLetter {
  const place = { topic: result.topic, partition: result.partition, offset: BigInt(result.position) }
  const headers = [
    ...errorHeaders(failure, place, 1, clock),
    text(DEAD_LETTER.windowStart, String(result.windowStartMs)),
    text(DEAD_LETTER.windowEnd, String(result.windowEndMs)),
  ]
  const { timestampMs, key, value } = result
  return fitDeadLetter({ timestampMs, key, value, headers }, maxRecordBytes)
}

/** What the headers of a late record say. */
export interface LateDetails {
  readonly reason: LateReason
  readonly watermarkMs: number
  readonly stage: string
  readonly windowStartsMs: readonly number[]
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
}

/** The headers that a late record carries beside its own. */
export function lateHeaders(details: LateDetails): readonly RecordHeader[] {
  const { watermarkMs } = details
  return [
    text(LATE.reason, details.reason),
    text(LATE.watermark, Number.isFinite(watermarkMs) ? String(watermarkMs) : 'none'),
    text(LATE.stage, details.stage),
    text(LATE.windows, details.windowStartsMs.join(',')),
    text(LATE.topic, details.topic),
    text(LATE.partition, String(details.partition)),
    text(LATE.offset, String(details.offset)),
  ]
}

/** How often a record that was put back from the dead letters had been tried before; 0 for one that was not. */
function earlierAttempts(headers: readonly RecordHeader[]): number {
  const digits = headers.findLast(({ key }) => key === REPLAY.attempts)?.value?.toString('latin1') ?? ''
  return /^\d{1,9}$/.test(digits) ? Number(digits) : 0
}

function errorHeaders(
  { stage, error }: StageFailure,
  place: { readonly topic: string; readonly partition: number; readonly offset: bigint },
  attempt: number,
  clock: Clock,
): readonly RecordHeader[] {
  const stack = error instanceof Error ? (error.stack ?? '') : ''
  return [
    text(DEAD_LETTER.exception, error instanceof Error ? error.name : typeof error),
    text(DEAD_LETTER.message, messageOf(error).slice(0, MESSAGE_CHARACTERS_MAX)),
    text(DEAD_LETTER.stacktrace, stack.slice(0, STACK_CHARACTERS_MAX)),
    text(DEAD_LETTER.topic, place.topic),
    text(DEAD_LETTER.partition, String(place.partition)),
    text(DEAD_LETTER.offset, String(place.offset)),
    text(DEAD_LETTER.stage, stage),
    text(DEAD_LETTER.code, codeOf(error, 'RECORD_FAILED')),
    text(DEAD_LETTER.attempt, String(attempt)),
    text(DEAD_LETTER.time, String(clock.now())),
  ]
}

function text(key: string, value: string): RecordHeader {
  return { key, value: Buffer.from(value) }
}
