/** Backfills as texts for people. */
import type { BackfillRecord, RunEstimate } from '../jobs/backfill/backfill-record.ts'
import type { Terminal } from './terminal.ts'
import { counted, formatCount, formatElapsed, formatTime, table } from './text.ts'

const LATE = {
  'as-live': 'lateness as live judged it',
  include: 'no reading of the range is late',
} as const

const MEASURED: Readonly<Record<RunEstimate['measured'], string>> = {
  calibration: 'a guess from how fast some records were read',
  'last-run': 'the speed of the last run of this kind',
  'rate-limit': 'the rate it is limited to',
}

/** What a plan says. */
export function tellPlan({ id, plan, planHash }: BackfillRecord, terminal: Terminal): void {
  const { range, estimate } = plan
  terminal.say(`Backfill ${id}: results from ${formatTime(range.fromMs)} to ${formatTime(range.toMs)}`)
  terminal.say(`  ${LATE[plan.late]}${plan.keys === null ? '' : `; only ${plan.keys.join(', ')}`}`)
  terminal.say(`  plan hash ${planHash}`)
  terminal.say()
  const rows = plan.sources.map(({ topic, partition, fromOffset, toOffset }) => [
    `${topic}/${partition}`,
    formatCount(BigInt(fromOffset)),
    formatCount(BigInt(toOffset)),
    formatCount(BigInt(toOffset) - BigInt(fromOffset)),
  ])
  const columns = [{ title: 'reads' }, ...['from', 'to', 'offsets'].map(rightAligned)]
  for (const line of table(columns, rows)) terminal.say(`  ${line}`)
  terminal.say()
  for (const { published, staged } of plan.outputs) terminal.say(`  ${published} is staged in ${staged}`)
  terminal.say()
  terminal.say(
    `  about ${counted(estimate.records, 'record')} in ${formatElapsed(estimate.seconds * 1000)}, at ` +
      `${formatCount(estimate.recordsPerSecond)}/s (${MEASURED[estimate.measured]})`,
  )
  for (const { fromMs, toMs } of plan.trustworthy) {
    const whole = fromMs === range.fromMs && toMs === range.toMs
    terminal.say(
      whole
        ? '  all results of the range can be trusted'
        : `  only results from ${formatTime(fromMs)} to ${formatTime(toMs)} can be trusted: ` +
            'what earlier ones need is gone',
    )
  }
  if (!plan.comparable) {
    terminal.say('  its results cannot be compared with the published ones, for the windows differ:')
    for (const line of plan.notComparable) terminal.say(`    ${line}`)
  }
  for (const warning of plan.warnings) terminal.say(`  ${terminal.yellow('note:')} ${warning}`)
}

/** How far a backfill is, and what came of it. */
export function tellProgress({ state, run, plan }: BackfillRecord, terminal: Terminal): void {
  terminal.say(`  state ${state}`)
  if (run === null) return
  const { seconds, recordsPerSecond, leftMs } = speedOf(run.position, run.elapsedMs, plan.estimate.records)
  terminal.say(
    `  ${counted(run.consumed, 'record')} worked in ${formatElapsed(seconds * 1000)} ` +
      `(${formatCount(recordsPerSecond)}/s${run.attempts > 1 ? `, ${run.attempts} attempts` : ''}), ` +
      `event time ${run.watermarkMs === null ? 'none' : formatTime(run.watermarkMs)}`,
  )
  if (state === 'running' && leftMs !== undefined) terminal.say(`  about ${formatElapsed(leftMs)} left`)
  const counts = [
    `${formatCount(run.late)} late`,
    `${formatCount(run.deadLetters)} dead letters`,
    `${formatCount(run.passedOver)} passed over`,
    `${formatCount(run.withheld)} outputs outside of the range withheld`,
  ]
  terminal.say(`  ${counts.join(', ')}`)
  const last = new Map(run.audit.map((note) => [`${note.topic}/${note.partition}`, note]))
  for (const [place, { records, sha256 }] of last) {
    if (records > 0) terminal.say(`  ${place}: ${counted(records, 'result')}, SHA-256 ${sha256}`)
  }
}

/** Speed so far, and what is left at it. */
export function speedOf(
  position: number,
  elapsedMs: number,
  total: number,
): { readonly seconds: number; readonly recordsPerSecond: number; readonly leftMs: number | undefined } {
  const perMs = position / Math.max(elapsedMs, 1)
  return {
    seconds: elapsedMs / 1000,
    recordsPerSecond: perMs * 1000,
    leftMs: perMs === 0 ? undefined : Math.max(0, total - position) / perMs,
  }
}

/** One line each. */
export function listLines(records: readonly BackfillRecord[]): readonly string[] {
  const columns = [
    { title: 'id' },
    { title: 'state' },
    { title: 'made' },
    { title: 'from' },
    { title: 'to' },
    { title: 'late' },
  ]
  return table(
    columns,
    records.map(({ id, state, createdAtMs, plan: { range, late } }) => {
      return [id, state, formatTime(createdAtMs), formatTime(range.fromMs), formatTime(range.toMs), late]
    }),
  )
}

function rightAligned(title: string): { readonly title: string; readonly align: 'right' } {
  return { title, align: 'right' }
}
