import type { BackfillRecord, LateMode, RunEstimate } from './backfill-record.ts'
import type { SourceSample } from './source-sample.ts'

/** What a run reaches of the speed at which its records are only read and decoded, as measured with sensor readings. */
const SHARE_OF_READING = 0.4
/** Where nothing could be measured: a start, told as such. */
const RECORDS_PER_SECOND_GUESSED = 50_000
/** Shorter runs tell little of speed. */
const TELLING_RUN_MS = 1_000

/**
 * How long a run takes: by the speed of the last run of the same kind that was not slowed down, else by that of a
 * sample; and never faster than its rate.
 */
export function estimateRun(
  records: number,
  late: LateMode,
  ratePerSecond: number | null,
  sample: SourceSample,
  former: readonly BackfillRecord[],
): RunEstimate {
  const last = former.findLast(
    ({ run, plan }) =>
      plan.late === late &&
      plan.ratePerSecond === null &&
      run !== null &&
      run.finishedAtMs !== null &&
      run.elapsedMs >= TELLING_RUN_MS,
  )
  const sampled = (sample.recordsPerSecond ?? RECORDS_PER_SECOND_GUESSED) * SHARE_OF_READING
  const free =
    last?.run === undefined || last.run === null ? sampled : (last.run.consumed * 1000) / last.run.elapsedMs
  const limited = ratePerSecond !== null && ratePerSecond < free
  const recordsPerSecond = limited ? ratePerSecond : free
  const measured = limited ? 'rate-limit' : last === undefined ? 'calibration' : 'last-run'
  return {
    records,
    recordsPerSecond: Math.round(recordsPerSecond),
    seconds: records / recordsPerSecond,
    measured,
  }
}
