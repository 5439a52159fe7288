/** `millrace backfill reconcile`: compares what a backfill has staged with what is published. */
import { writeFile } from 'node:fs/promises'
import { audited } from '../jobs/audit.ts'
import { readBackfill } from '../jobs/backfill/backfill-store.ts'
import {
  compareBackfills,
  reconcileBackfill,
  type ReconcileOptions,
  type ReconcileOutcome,
} from '../jobs/reconciliation/reconcile-backfill.ts'
import { TruthComparison } from '../jobs/reconciliation/truth-comparison.ts'
import { ConfigError, messageOf } from '../errors.ts'
import type { BackfillRecord } from '../jobs/backfill/backfill-record.ts'
import { readExpectedAggregates, type ExpectedAggregates } from '../sensors/expected-aggregates.ts'
import type { Log } from '../log/log.ts'
import type { Command, CommandContext } from './command.ts'
import { Conservation } from './conservation.ts'
import { EXIT, InterruptedError } from './failure.ts'
import { isClean, reportAsJson, type ReconcileReport } from './reconcile-report.ts'
import { reportLines } from './reconcile-text.ts'
import { reportPage } from './reconcile-page.ts'
import { aggregateFormat, newestReadingOf, resultTimeOf } from './staged-results.ts'
import { formatProblems, openSensorSerdes } from './value-format.ts'
import { auditTrailOf } from './who.ts'

/** The command. */
export const backfillReconcileCommand: Command = {
  name: 'backfill reconcile',
  summary: 'compares what a backfill has staged with what is published',
  description:
    'Compares the results of the range, key by key: match, changed, missing (staged only), extra (published only); ' +
    'checks what must hold of every staged result; keeps the differences for backfill promote. Can be repeated; ' +
    'while the backfill is promoted it only looks. Exit code 0 only when nothing differs beyond --tolerance and ' +
    'everything holds, 3 when not.',
  argument: { name: 'id', help: 'of the backfill', variadic: false },
  settings: ['tolerance', 'truth', 'against', 'html', 'registry', 'valueFormat', 'as'],
  examples: [
    'millrace backfill reconcile fix-mean',
    'millrace backfill reconcile fix-mean --tolerance mean=1e-9 --html report.html',
    'millrace backfill reconcile new-build --against old-build',
  ],
  check: formatProblems,
  async run(context) {
    const { settings, terminal, clock } = context
    const report = await reportOf(context)
    if (settings.html !== undefined) await writePage(settings.html, reportPage(report, clock.now()))
    if (terminal.json) await terminal.data(`${reportAsJson(report)}\n`)
    for (const line of reportLines(report)) terminal.say(line)
    if (settings.html !== undefined) terminal.say(`The report as a page: ${settings.html}`)
    return isClean(report) ? EXIT.done : EXIT.differs
  },
}

async function reportOf(context: CommandContext): Promise<ReconcileReport> {
  const { settings, args, signal, clock } = context
  const [id = ''] = args
  const { applicationId, against, truth: truthFile, tolerance } = settings
  // Files first: a mistake in one of them should not cost the time of a comparison.
  const expected = truthFile === undefined ? undefined : await readExpectedAggregates(truthFile)
  const log = await context.openLog('existing')
  const place = { log, applicationId }
  const record = await readBackfill(place, id)
  const serdes = await openSensorSerdes(context)
  const format = aggregateFormat(record, serdes, await newestReadingOf(log, record))
  const tolerances = tolerance ?? new Map<string, number>()
  const inRange = expected === undefined ? undefined : ofRange(expected, record)
  const truth = inRange === undefined ? undefined : new TruthComparison(inRange, format, tolerances)
  const progress = context.terminal.progress('comparing')
  const conservation = new Conservation()
  const options: ReconcileOptions = {
    clock,
    format,
    tolerances,
    signal,
    onPair: (pair) => truth?.add(pair),
    onStaged: (result) => conservation.add(result),
    checkWhole: (of) => (against === undefined ? conservation.problems(log, of) : Promise.resolve([])),
    onProgress: (done, of) => progress.update(done, of, `partition ${done} of ${of}`),
  }
  try {
    const outcome =
      against === undefined
        ? await auditedReconcile(context, log, record, () => reconcileBackfill(place, id, options))
        : await compareBackfills(place, id, against, options)
    const told = truth === undefined ? undefined : { file: truthFile!, findings: truth.finish() }
    return { ...outcome, against, atMs: clock.now(), tolerances, truth: told }
  } catch (error) {
    if (signal.aborted) throw new InterruptedError('Stopped before the end: nothing was noted.')
    throw error
  } finally {
    progress.end()
  }
}

async function auditedReconcile(
  context: CommandContext,
  log: Log,
  { id, planHash }: BackfillRecord,
  work: () => Promise<ReconcileOutcome>,
): Promise<ReconcileOutcome> {
  const operation = {
    operation: context.random.uuid(),
    command: 'backfill reconcile',
    planHash,
    details: { id },
  }
  return audited(auditTrailOf(context, log), operation, async () => {
    const outcome = await work()
    const { compared, counts } = outcome.findings
    return { outcome, counts: { compared, ...counts, violations: outcome.violations.length } }
  })
}

/** What a file tells of the compared range and keys. */
function ofRange(expected: ExpectedAggregates, { plan }: BackfillRecord): ExpectedAggregates {
  const { fromMs, toMs } = plan.range
  return new Map(
    [...expected].filter(([key, fields]) => {
      const result = resultTimeOf(key, fields, plan.settings)
      const isWanted = plan.keys === null || plan.keys.includes(result.sensorId)
      return isWanted && result.timestampMs >= fromMs && result.timestampMs < toMs
    }),
  )
}

async function writePage(file: string, page: string): Promise<void> {
  try {
    await writeFile(file, page)
  } catch (error) {
    throw new ConfigError([`${file} cannot be written: ${messageOf(error)} (--html)`])
  }
}
