/** Reconciles a backfill: compares, keeps the differences, and notes in its record what was found. */
import type { Clock } from '../../clock.ts'
import { FatalError } from '../../errors.ts'
import {
  advance,
  type BackfillRecord,
  type ReconciliationSummary,
  type SourceRange,
} from '../backfill/backfill-record.ts'
import { differencesTopic } from '../backfill/backfill-names.ts'
import { canTransition } from '../backfill/backfill-state.ts'
import {
  holdBackfill,
  readBackfill,
  type BackfillPlace,
  type HeldBackfill,
} from '../backfill/backfill-store.ts'
import type { Tolerances } from './compare-results.ts'
import { openDifferenceWriter, type DifferenceRange } from './difference-writer.ts'
import type { Findings } from './findings.ts'
import { compareTopics, type CompareSpec, type ComparisonOutcome } from './reconcile-topics.ts'
import type { ResultFormat } from './result-format.ts'

/** What may be said about the comparison beside the record. */
export interface ReconcileOptions extends Pick<
  CompareSpec,
  'budgetBytes' | 'signal' | 'onPair' | 'onStaged' | 'onProgress'
> {
  readonly clock: Clock
  readonly format: ResultFormat
  readonly tolerances: Tolerances
  /** What must hold of all results together: asked after the comparison; sentences that tell what does not. */
  checkWhole?(record: BackfillRecord): Promise<readonly string[]>
}

export interface ReconcileOutcome {
  /** As it was written, or as it is where nothing was noted. */
  readonly record: BackfillRecord
  readonly findings: Findings
  readonly violations: readonly string[]
  /**
   * Whether the differences were kept and the record changed. While anything is promoted they stay as they are, since
   * a rollback needs them: then a comparison only looks.
   */
  readonly noted: boolean
}

/**
 * Reconciles. `FatalError`: `BACKFILL_UNKNOWN`; `BACKFILL_NOT_RUN` before its run has ended; `BACKFILL_CANCELLED`;
 * `BACKFILL_NOT_COMPARABLE`; those of `compareTopics`. `FencedError` when another process has taken it over.
 */
export async function reconcileBackfill(
  place: BackfillPlace,
  id: string,
  options: ReconcileOptions,
): Promise<ReconcileOutcome> {
  const found = await readBackfill(place, id)
  refuseIncomparable(found)
  if (!canTransition(found.state, 'reconciled')) {
    const { findings } = await compare(place, found, options)
    const violations = await violationsOf(found, findings, options)
    return { record: found, findings, violations, noted: false }
  }
  const held = await holdBackfill(place, id)
  try {
    refuseIncomparable(held.record)
    return await compareAndNote(place, held, options)
  } finally {
    await held.close()
  }
}

/** Compares the staged results of a backfill with those of another one; nothing is noted. Refuses as above. */
export async function compareBackfills(
  place: BackfillPlace,
  id: string,
  againstId: string,
  options: ReconcileOptions,
): Promise<ReconcileOutcome> {
  const [record, against] = [await readBackfill(place, id), await readBackfill(place, againstId)]
  for (const one of [record, against]) refuseNotRun(one)
  const topics = resultTopics(record).map(({ published, staged }) => {
    const other = resultTopics(against).find((output) => output.published === published)
    if (other !== undefined) return { published: other.staged, staged }
    throw new FatalError(
      'BACKFILL_NOT_COMPARABLE',
      `Backfill ${againstId} has no results for the topic ${published}.`,
    )
  })
  const fromMs = Math.max(record.plan.range.fromMs, against.plan.range.fromMs)
  const toMs = Math.min(record.plan.range.toMs, against.plan.range.toMs)
  if (fromMs >= toMs) {
    throw new FatalError(
      'BACKFILL_NOT_COMPARABLE',
      `The ranges of ${id} and ${againstId} have nothing in common.`,
    )
  }
  const keys = commonKeys(record.plan.keys, against.plan.keys)
  const { findings } = await compareTopics({ ...options, log: place.log, topics, fromMs, toMs, keys })
  const violations = await violationsOf(record, findings, options)
  return { record, findings, violations, noted: false }
}

async function compareAndNote(
  place: BackfillPlace,
  held: HeldBackfill,
  options: ReconcileOptions,
): Promise<ReconcileOutcome> {
  const { record } = held
  const topic = differencesTopic(record)
  const partitions = Math.max(1, ...resultTopics(record).map((output) => output.partitions))
  const writer = await openDifferenceWriter(place.log, topic, partitions)
  try {
    const outcome = await compare(place, record, options, (differences) => writer.add(differences))
    const ranges = await writer.finish()
    const violations = await violationsOf(record, outcome.findings, options)
    const atMs = options.clock.now()
    const reconciliation = summaryOf(outcome, violations, topic, ranges, atMs)
    await held.save(advance(record, 'reconciled', atMs, { reconciliation }))
    return { record: held.record, findings: outcome.findings, violations, noted: true }
  } finally {
    await writer.close()
  }
}

function compare(
  { log }: BackfillPlace,
  record: BackfillRecord,
  options: ReconcileOptions,
  onDifferences?: CompareSpec['onDifferences'],
): Promise<ComparisonOutcome> {
  const { range, keys } = record.plan
  return compareTopics({
    ...options,
    log,
    topics: resultTopics(record),
    ...range,
    keys,
    ...(onDifferences === undefined ? {} : { onDifferences }),
  })
}

async function violationsOf(
  record: BackfillRecord,
  findings: Findings,
  options: ReconcileOptions,
): Promise<readonly string[]> {
  const single = findings.invariants
    .filter(({ violations }) => violations > 0)
    .map(({ name, violations, examples }) => {
      return `${name}: violated by ${violations} of ${findings.staged.results} results (${examples.join(', ')})`
    })
  const unkeyed = (['published', 'staged'] as const)
    .filter((side) => findings[side].unkeyed > 0)
    .map((side) => `every result has a key: violated by ${findings[side].unkeyed} ${side} ones`)
  return [...single, ...unkeyed, ...((await options.checkWhole?.(record)) ?? [])]
}

function summaryOf(
  { findings, ends }: ComparisonOutcome,
  violations: readonly string[],
  topic: string,
  ranges: readonly DifferenceRange[],
  atMs: number,
): ReconciliationSummary {
  return {
    atMs,
    ...findings.counts,
    violations,
    publishedSha256: findings.published.sha256,
    stagedSha256: findings.staged.sha256,
    ends,
    differences: ranges.map(({ partition, from, to }): SourceRange => {
      return { topic, partition, fromOffset: String(from), toOffset: String(to) }
    }),
  }
}

function resultTopics({ plan }: BackfillRecord): BackfillRecord['plan']['outputs'] {
  return plan.outputs.filter(({ kind }) => kind === 'results')
}

function commonKeys(a: readonly string[] | null, b: readonly string[] | null): readonly string[] | null {
  if (a === null || b === null) return a ?? b
  return a.filter((key) => b.includes(key))
}

function refuseIncomparable(record: BackfillRecord): void {
  refuseNotRun(record)
  const { comparable, notComparable } = record.plan
  if (comparable) return
  throw new FatalError(
    'BACKFILL_NOT_COMPARABLE',
    `The results of ${record.id} cannot be compared with the published ones: ${notComparable.join('; ')}.`,
  )
}

function refuseNotRun({ id, state }: BackfillRecord): void {
  if (state === 'cancelled') throw new FatalError('BACKFILL_CANCELLED', `Backfill ${id} was cancelled.`)
  if (state !== 'planned' && state !== 'running') return
  throw new FatalError(
    'BACKFILL_NOT_RUN',
    `Backfill ${id} is ${state}: its results are not complete. First: millrace backfill run ${id}`,
  )
}
