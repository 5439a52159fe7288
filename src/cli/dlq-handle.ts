/** What `dlq replay` and `dlq discard` have in common: plan, show, ask, do, tell. */
import { FatalError } from '../errors.ts'
import { handleLetters, type HandlingOutcome } from '../jobs/dead-letters/handle-letters.ts'
import { parkedTopic } from '../jobs/dead-letters/handled-marks.ts'
import type { LetterTally } from '../jobs/dead-letters/letter-scan.ts'
import { planHandling, type HandlingPlan, type HandlingSpec } from '../jobs/dead-letters/plan-handling.ts'
import { REFUSALS, type Refusal } from '../jobs/dead-letters/verdict.ts'
import type { Log } from '../log/log.ts'
import type { CommandContext } from './command.ts'
import { confirmed } from './confirm.ts'
import { filterOf, letterTopicOf } from './dlq-letters.ts'
import { ReplayPreview } from './dlq-preview.ts'
import { EXIT, InterruptedError } from './failure.ts'
import { Pace } from './pace.ts'
import { counted, formatCount, formatElapsed, formatTime, table } from './text.ts'
import { callerOf } from './who.ts'

/** Windows that are shown to people; programs see all. */
const WINDOWS_SHOWN = 20

type Action = 'replay' | 'discard'

/** Does it; resolves with the exit code. */
export async function handleCommand(context: CommandContext, action: Action): Promise<number> {
  const { settings, terminal, args } = context
  const filter = filterOf(settings, args)
  const log = await context.openLog('existing')
  const spec = specOf(context, log, action, filter)
  const preview = settings.dryRun && action === 'replay' ? await ReplayPreview.open(context, log) : undefined
  const plan = await planHandling(spec, preview === undefined ? undefined : (judged) => preview.add(judged))
  if (context.signal.aborted) throw new InterruptedError('Stopped: nothing was changed.')
  tellPlan(context, spec, plan)
  if (settings.dryRun) {
    if (terminal.json) await terminal.data(`${JSON.stringify(planForJson(spec, plan, preview))}\n`)
    if (preview !== undefined) for (const line of previewLines(preview)) terminal.say(line)
    terminal.say('Dry run: nothing was changed.')
    return EXIT.done
  }
  if (plan.tally.toHandle === 0 && plan.unfinished === undefined) {
    refuseWithout(plan)
    if (terminal.json) await terminal.data(`${JSON.stringify({ ...tallyForJson(plan), finished: true })}\n`)
    terminal.say(`There is nothing to ${action}.`)
    return EXIT.done
  }
  if (!settings.yes && !(await confirmed(context, spec.letterTopic, `to ${action} them`))) {
    terminal.note('Not confirmed: nothing was changed. (--yes does not ask.)')
    return EXIT.failed
  }
  const startedMs = context.clock.monotonic()
  const outcome = await carryOut(context, spec, plan)
  const elapsedMs = context.clock.monotonic() - startedMs
  if (terminal.json) await terminal.data(`${JSON.stringify(outcomeForJson(plan, outcome, elapsedMs))}\n`)
  const { replayed, parked, discarded } = outcome.counts
  const done =
    action === 'discard'
      ? `Discarded ${counted(discarded, 'dead letter')}`
      : `Replayed ${counted(replayed, 'dead letter')}, parked ${formatCount(parked)}`
  terminal.say(`${done} (${formatElapsed(elapsedMs)}).`)
  if (outcome.finished) return EXIT.done
  throw new InterruptedError('Stopped before the end. The same command goes on where this one stopped.')
}

function specOf(
  context: CommandContext,
  log: Log,
  action: Action,
  filter: HandlingSpec['request']['filter'],
): HandlingSpec {
  const { settings, clock, random, signal } = context
  const { applicationId, again, maxAttempts } = settings
  const request = { action, filter, maxAttempts: action === 'replay' ? maxAttempts : undefined, again }
  const by = callerOf(context)
  return { log, clock, random, signal, applicationId, letterTopic: letterTopicOf(settings), by, request }
}

async function carryOut(
  context: CommandContext,
  spec: HandlingSpec,
  plan: HandlingPlan,
): Promise<HandlingOutcome> {
  const { settings, terminal, clock, logger } = context
  const { rate } = settings
  const progress = terminal.progress('dead letters')
  try {
    return await handleLetters(spec, plan, {
      newRateLimit:
        rate === undefined || spec.request.action === 'discard' ? undefined : () => new Pace(clock, rate),
      onProgress: (handled) => progress.update(handled, plan.tally.toHandle, counted(handled, 'dead letter')),
      onRetry: (reason) => logger.warn({ reason }, 'the work was interrupted and goes on'),
    })
  } finally {
    progress.end()
  }
}

/** Refuses where dead letters are meant and none of them can be put back. */
function refuseWithout({ tally }: HandlingPlan): void {
  if (tally.refusals === 0) return
  throw new FatalError(
    'DEAD_LETTERS_NOT_REPLAYABLE',
    ['None of these dead letters can be replayed; they stay open:', ...refusalLines(tally)].join('\n'),
  )
}

function tellPlan({ terminal }: CommandContext, spec: HandlingSpec, plan: HandlingPlan): void {
  const { tally, unfinished } = plan
  const { letterTopic, request } = spec
  const { replayed, parked, discarded } = tally.handle
  if (unfinished !== undefined) {
    const { begunAtMs, by, counts } = unfinished
    const done = counts.replayed + counts.parked + counts.discarded
    terminal.say(
      `Going on with what ${by} began at ${formatTime(begunAtMs)}: ${formatCount(done)} are done. ` +
        'What has failed since then is left for the next time.',
    )
  }
  const what = request.action === 'discard' ? 'discard' : 'replay'
  terminal.say(`Dead letters in ${letterTopic} to ${what}: ${formatCount(replayed + discarded)}`)
  if (parked > 0) terminal.say(`  to park in ${parkedTopic(letterTopic)}: ${formatCount(parked)}`)
  if (tally.handled > 0) terminal.say(`  dealt with before: ${formatCount(tally.handled)}`)
  if (tally.notMeant > 0) terminal.say(`  passed over by the filter: ${formatCount(tally.notMeant)}`)
  for (const line of refusalLines(tally)) terminal.note(line)
}

function refusalLines({ refused }: LetterTally): readonly string[] {
  return (Object.keys(REFUSALS) as Refusal[]).flatMap((why) => {
    const count = refused.get(why)
    return count === undefined ? [] : [`  not replayed: ${formatCount(count)} ${REFUSALS[why]}`]
  })
}

function previewLines({ windows, failsAgain }: ReplayPreview): readonly string[] {
  const lines = [...failsAgain].map(
    ([code, count]) => `  would fail again: ${formatCount(count)} with ${code}`,
  )
  const closed = windows.filter(({ late }) => late > 0).length
  lines.push(
    `Windows they belong to: ${formatCount(windows.length)}, of which ${formatCount(closed)} are closed: ` +
      'readings for these would be late.',
  )
  if (windows.length === 0) return lines
  const rows = windows.slice(0, WINDOWS_SHOWN).map(({ key, startMs, endMs, readings, late }) => {
    return [key, formatTime(startMs), formatTime(endMs), formatCount(readings), formatCount(late)]
  })
  lines.push(...table(WINDOW_COLUMNS, rows))
  if (windows.length > WINDOWS_SHOWN) {
    lines.push(`and ${counted(windows.length - WINDOWS_SHOWN, 'more window')} (--json shows all)`)
  }
  return lines
}

const WINDOW_COLUMNS = [
  { title: 'sensor' },
  { title: 'from' },
  { title: 'to' },
  { title: 'readings', align: 'right' },
  { title: 'late', align: 'right' },
] as const

function planForJson(spec: HandlingSpec, plan: HandlingPlan, preview: ReplayPreview | undefined): object {
  const windows = preview?.windows.map(({ key, startMs, endMs, readings, late }) => {
    return { sensor: key, start: formatTime(startMs), end: formatTime(endMs), readings, late }
  })
  return {
    dryRun: true,
    topic: spec.letterTopic,
    ...tallyForJson(plan),
    ...(preview !== undefined && { failsAgain: Object.fromEntries(preview.failsAgain), windows }),
  }
}

function outcomeForJson(
  plan: HandlingPlan,
  { counts, tally, finished }: HandlingOutcome,
  elapsedMs: number,
): object {
  return { ...tallyForJson({ ...plan, tally }), ...counts, finished, elapsedMs: Math.round(elapsedMs) }
}

function tallyForJson({ id, hash, tally, unfinished }: HandlingPlan): object {
  return {
    run: id,
    planHash: hash,
    goesOn: unfinished !== undefined,
    ...tally.handle,
    handledBefore: tally.handled,
    passedOver: tally.notMeant,
    refused: Object.fromEntries(tally.refused),
  }
}
