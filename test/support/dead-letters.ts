/** Dead letters as tests make and read them. */
import { RecordError } from '../../src/errors.ts'
import type { RecordHeader } from '../../src/log/record-batch-builder.ts'
import type { DeadLetter } from '../../src/runtime/dead-letter.ts'
import type { StageFailure } from '../../src/runtime/input-record.ts'
import { RecordCollector } from '../../src/runtime/record-collector.ts'
import { deadLetterOf } from '../../src/runtime/side-outputs.ts'
import { SimulatedClock } from '../../src/testing/simulated-clock.ts'
import { inputRecord, type ChunkRecord } from './chunks.ts'

export const MAX_RECORD_BYTES = 1_000_000
export const clock = new SimulatedClock(1_700_000_000_000)
export const failure: StageFailure = { stage: 'sums', error: new RecordError('VALUE_MISSING', 'no value') }

/** A failure of the same stage with another error. */
export const failedBy = (error: unknown): StageFailure => ({ stage: 'sums', error })

/** Headers by name, as text. */
export const textsOf = (headers: readonly RecordHeader[]): Record<string, string | null> =>
  Object.fromEntries(headers.map(({ key, value }) => [key, value === null ? null : String(value)]))

/** The dead letter of a record. */
export function letterOf(record: ChunkRecord, maxRecordBytes = MAX_RECORD_BYTES, why = failure): DeadLetter {
  return deadLetterOf(inputRecord(record), why, clock, maxRecordBytes)
}

/** Whether a topic that takes records of that size would take the letter. */
export function isTaken({ timestampMs, key, value, headers }: DeadLetter, maxRecordBytes: number): boolean {
  try {
    new RecordCollector(maxRecordBytes).add('dlq', 0, timestampMs, key, value, headers)
    return true
  } catch {
    return false
  }
}
