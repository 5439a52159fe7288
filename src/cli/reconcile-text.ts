/** The report of a comparison on the terminal. */
import { VERDICTS, type Verdict } from '../jobs/reconciliation/compare-results.ts'
import type { Change } from '../jobs/reconciliation/findings.ts'
import {
  differencesOf,
  isClean,
  notRight,
  showDelta,
  showValue,
  sideNames,
  VERDICT_WORDS,
  type ReconcileReport,
} from './reconcile-report.ts'
import { counted, formatCount, formatTime, printable, table } from './text.ts'

const CHANGES_SHOWN = 10
const FIELDS_SHOWN = 12
const VALUE_CHARACTERS = 40

/** The lines. */
export function reportLines(report: ReconcileReport): readonly string[] {
  const { record, findings } = report
  const { range, keys } = record.plan
  const sides = sideNames(report)
  const ofKeys = keys === null ? '' : `, ${counted(keys.length, 'key')}`
  const span = `${formatTime(range.fromMs)} to ${formatTime(range.toMs)}${ofKeys}`
  const rows = VERDICTS.map((verdict) => [
    VERDICT_WORDS[verdict],
    formatCount(findings.counts[verdict]),
    meaningOf(verdict, sides),
  ])
  return [
    `Backfill ${record.id}: what is staged against what is ${sides.published}, ${span}`,
    '',
    ...table(
      [{ title: 'compared' }, { title: formatCount(findings.compared), align: 'right' }, { title: '' }],
      rows,
    ),
    ...fieldLines(report),
    ...changeLines(report),
    '',
    ...invariantLines(report),
    ...truthLines(report),
    '',
    `SHA-256 ${sides.published}: ${findings.published.sha256} (${counted(findings.published.results, 'result')})`,
    `SHA-256 ${sides.staged}: ${findings.staged.sha256} (${counted(findings.staged.results, 'result')})`,
    '',
    verdictLine(report),
  ]
}

function meaningOf(verdict: Verdict, { published, staged }: ReturnType<typeof sideNames>): string {
  switch (verdict) {
    case 'match':
      return 'the same bytes'
    case 'within':
      return 'differ by no more than --tolerance'
    case 'changed':
      return 'differ'
    case 'missing':
      return `${staged}, not ${published}`
    case 'extra':
      return `${published}, not ${staged}`
  }
}

function fieldLines({ findings }: ReconcileReport): readonly string[] {
  if (findings.fields.length === 0) return []
  const shown = findings.fields.slice(0, FIELDS_SHOWN)
  const told = shown.map(({ name, changed }) => `${printable(name)} ${formatCount(changed)}`).join(', ')
  const more = findings.fields.length > shown.length ? ', …' : ''
  return ['', `Fields that differ, in so many results: ${told}${more}`]
}

function changeLines(report: ReconcileReport): readonly string[] {
  const { largest } = report.findings
  if (largest.length === 0) return []
  const { published, staged } = sideNames(report)
  const rows = largest.slice(0, CHANGES_SHOWN).flatMap(rowsOf)
  const columns = [
    { title: 'key' },
    { title: 'kind' },
    { title: 'field' },
    { title: published, align: 'right' },
    { title: staged, align: 'right' },
    { title: 'difference', align: 'right' },
  ] as const
  const title = largest.length > CHANGES_SHOWN ? 'The largest differences:' : 'The differences:'
  return ['', title, ...table(columns, rows)]
}

function rowsOf({ key, verdict, fields }: Change): readonly (readonly string[])[] {
  const first = [key, VERDICT_WORDS[verdict]]
  if (fields.length === 0) return [[...first, '', '', '', '']]
  return fields.map(({ name, published, staged, delta }, index) => [
    ...(index === 0 ? first : ['', '']),
    name,
    printable(showValue(published), VALUE_CHARACTERS),
    printable(showValue(staged), VALUE_CHARACTERS),
    showDelta(delta),
  ])
}

function invariantLines({ violations, findings }: ReconcileReport): readonly string[] {
  const { length } = findings.invariants
  if (violations.length === 0) {
    return [`Invariants: all ${length} hold for ${counted(findings.staged.results, 'staged result')}.`]
  }
  return ['Invariants that do not hold:', ...violations.map((violation) => `  - ${printable(violation)}`)]
}

function truthLines({ truth }: ReconcileReport): readonly string[] {
  if (truth === undefined) return []
  const { match, within, wrong, absent, unexpected, examples } = truth.findings
  const told = `${formatCount(match)} match, ${formatCount(within)} within tolerance, ${formatCount(wrong)} wrong, `
  return [
    `Against ${printable(truth.file)}: ${told}${formatCount(absent)} not staged, ` +
      `${formatCount(unexpected)} unexpected.`,
    ...examples.slice(0, CHANGES_SHOWN).map(({ key, kind, fields }) => {
      const values = fields.map(({ name, published, staged }) => {
        return `${name} should be ${showValue(published)} and is ${showValue(staged)}`
      })
      return printable(`  - ${key}: ${[kind, ...values].join('; ')}`)
    }),
  ]
}

function verdictLine(report: ReconcileReport): string {
  const { record, against, noted, violations, truth } = report
  const differences = differencesOf(report)
  if (isClean(report)) return 'Clean: nothing differs.'
  const problems = [
    ...(differences > 0
      ? [`${counted(differences, 'result')} ${differences === 1 ? 'differs' : 'differ'}`]
      : []),
    ...(violations.length > 0 ? ['invariants do not hold'] : []),
    ...(truth !== undefined && notRight(truth.findings) > 0 ? ['the truth file says otherwise'] : []),
  ]
  const told = `Not clean: ${problems.join('; ')}.`
  if (against !== undefined || differences === 0) return told
  if (!noted) return `${told} The backfill is ${record.state}, so nothing was noted.`
  return `${told} To publish the differences: millrace backfill promote ${record.id}`
}
