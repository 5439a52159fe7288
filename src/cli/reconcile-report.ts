/** What `backfill reconcile` reports: one shape for people, programs and the page. */
import type { BackfillRecord } from '../jobs/backfill/backfill-record.ts'
import type { Tolerances, Verdict } from '../jobs/reconciliation/compare-results.ts'
import type { Findings } from '../jobs/reconciliation/findings.ts'
import type { TruthFindings } from '../jobs/reconciliation/truth-comparison.ts'

export interface ReconcileReport {
  readonly record: BackfillRecord
  /** The other backfill, where it was not compared with what is published. */
  readonly against: string | undefined
  readonly atMs: number
  readonly tolerances: Tolerances
  readonly findings: Findings
  readonly violations: readonly string[]
  readonly truth: { readonly file: string; readonly findings: TruthFindings } | undefined
  /** Whether the differences were kept, to be promoted. */
  readonly noted: boolean
}

/** The verdicts in words. */
export const VERDICT_WORDS: Readonly<Record<Verdict, string>> = {
  match: 'match',
  within: 'within tolerance',
  changed: 'changed',
  missing: 'missing',
  extra: 'extra',
}

/** What the two sides are called. */
export function sideNames({ against }: ReconcileReport): { published: string; staged: string } {
  return against === undefined
    ? { published: 'published', staged: 'staged' }
    : { published: `staged by ${against}`, staged: 'staged' }
}

/** Results that differ by more than the tolerances. */
export function differencesOf({ findings: { counts } }: Pick<ReconcileReport, 'findings'>): number {
  return counts.changed + counts.missing + counts.extra
}

/** Whether nothing differs beyond the tolerances and everything is sound. */
export function isClean(report: ReconcileReport): boolean {
  const { truth, violations } = report
  const untrue = truth === undefined ? 0 : notRight(truth.findings)
  return differencesOf(report) === 0 && violations.length === 0 && untrue === 0
}

/** Results that are not as the truth has them. */
export function notRight({ wrong, absent, unexpected }: TruthFindings): number {
  return wrong + absent + unexpected
}

/** For programs, on one line; times as epoch milliseconds. */
export function reportAsJson(report: ReconcileReport): string {
  const { record, against, atMs, tolerances, findings, violations, truth, noted } = report
  const { counts, compared, published, staged, fields, invariants, timeline, largest } = findings
  const json = {
    backfill: record.id,
    application: record.applicationId,
    planHash: record.planHash,
    state: record.state,
    against: against ?? null,
    atMs,
    range: record.plan.range,
    keys: record.plan.keys,
    clean: isClean(report),
    noted,
    compared,
    ...counts,
    tolerances: Object.fromEntries(tolerances),
    published,
    staged,
    fields: fields.map(({ name, changed }) => ({ name, changed })),
    invariants,
    violations,
    truth: truth === undefined ? null : { file: truth.file, ...truth.findings },
    timeline: timeline.map(({ fromMs, toMs, counts: inPart }) => ({ fromMs, toMs, ...inPart })),
    largest: largest.map(({ size: _size, ...change }) => change),
  }
  return JSON.stringify(json)
}

/** A value of a field for people. */
export function showValue(value: unknown): string {
  if (value === undefined) return 'none'
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** A difference of numbers for people: with its sign, as short as it can be told apart. */
export function showDelta(delta: number | undefined): string {
  if (delta === undefined) return ''
  return `${delta > 0 ? '+' : ''}${Number(delta.toPrecision(6))}`
}
