/** What `backfill promote` and `backfill rollback` have in common: show, ask, do, tell. */
import { audited } from '../jobs/audit.ts'
import { FatalError, FencedError } from '../errors.ts'
import type { RoundOutcome, RoundPlan } from '../jobs/promotion/promote-backfill.ts'
import type { CommandContext } from './command.ts'
import { confirmed } from './confirm.ts'
import { EXIT, InterruptedError } from './failure.ts'
import type { Log } from '../log/log.ts'
import { counted, formatCount } from './text.ts'
import { auditTrailOf } from './who.ts'

/** One of the two commands. */
export interface PublishingCommand {
  /** `promote`. */
  readonly verb: string
  /** For the question: `to promote it`. */
  readonly toDo: string
  /** `Promoted`. */
  readonly done: string
  /** Of the differences that are left, how many this call does. */
  readonly canary: number | undefined
  publish(onProgress: (done: number, of: number) => void): Promise<RoundOutcome>
}

/** Carries out what is planned. Resolves with the exit code. */
export async function publishRound(
  context: CommandContext,
  log: Log,
  plan: RoundPlan,
  command: PublishingCommand,
): Promise<number> {
  const { settings, terminal, signal } = context
  const { record, differences, left } = plan
  const { verb, canary, toDo } = command
  const target = canary === undefined ? left : Math.max(0, Math.min(left, canary - (differences - left)))
  tellPlan(context, plan, target, verb === 'promote' ? 'to promote' : 'to restore')
  if (differences === 0 || settings.dryRun) {
    if (terminal.json) await terminal.data(`${JSON.stringify(planForJson(plan, settings.dryRun))}\n`)
    terminal.say(settings.dryRun ? 'Dry run: nothing was written.' : `There is nothing to ${verb}.`)
    return EXIT.done
  }
  if (!settings.yes && !(await confirmed(context, record.id, toDo))) {
    terminal.note('Not confirmed: nothing was written. (--yes does not ask.)')
    return EXIT.failed
  }
  if (signal.aborted) throw new InterruptedError('Stopped: nothing was written.')
  const outcome = await carryOut(context, log, plan, command)
  if (terminal.json) await terminal.data(`${JSON.stringify(outcomeForJson(outcome))}\n`)
  tellOutcome(context, outcome, command)
  if (!outcome.interrupted) return EXIT.done
  throw new InterruptedError('Stopped before the end. The same command goes on where this one stopped.')
}

async function carryOut(
  context: CommandContext,
  log: Log,
  { record, round }: RoundPlan,
  command: PublishingCommand,
): Promise<RoundOutcome> {
  const { terminal, random } = context
  const { verb } = command
  const progress = terminal.progress(verb)
  const operation = {
    operation: random.uuid(),
    command: `backfill ${verb}`,
    planHash: record.planHash,
    details: { id: record.id, round: String(round) },
  }
  try {
    return await audited(auditTrailOf(context, log), operation, async () => {
      const outcome = await command.publish((done, of) => progress.update(done, of, counted(done, 'key')))
      const { written, done, left } = outcome
      return { outcome, counts: { written, tombstones: outcome.round.tombstones, done, left } }
    })
  } catch (error) {
    if (!(error instanceof FencedError)) throw error
    throw new FatalError(
      'WORK_TAKEN_OVER',
      `Another process has taken over backfill ${record.id}. Nothing is lost: it goes on where this one stopped.`,
      { cause: error },
    )
  } finally {
    progress.end()
  }
}

function tellPlan({ terminal }: CommandContext, plan: RoundPlan, target: number, toDo: string): void {
  const { record, round, differences, left } = plan
  const topics = record.plan.outputs
    .filter(({ kind }) => kind === 'results')
    .map(({ published }) => published)
  const begun = left === differences ? '' : `, of which ${formatCount(differences - left)} are done`
  const part = target === left ? '' : `; ${formatCount(target)} now`
  terminal.say(
    `Backfill ${record.id}, round ${round}: ${counted(differences, 'key')} of ${topics.join(', ')} ` +
      `${toDo}${begun}${part}.`,
  )
}

function tellOutcome(
  { terminal }: CommandContext,
  { record, round, written, done, transactions, left }: RoundOutcome,
  command: PublishingCommand,
): void {
  const as = transactions === 1 ? 'in one transaction' : `in ${formatCount(transactions)} transactions`
  terminal.say(`${command.done} ${counted(written, 'key')}${written === 0 ? '' : ` ${as}`}.`)
  if (done > 0) terminal.say(`${counted(done, 'key')} had been done before.`)
  if (transactions > 1) terminal.say('Between them consumers saw a part of the differences.')
  if (left > 0) {
    terminal.say(`${counted(left, 'key')} left: millrace backfill ${command.verb} ${record.id}`)
    return
  }
  const undo =
    command.verb === 'promote'
      ? 'To take it back: millrace backfill rollback'
      : 'To promote it again: millrace backfill promote'
  terminal.say(
    `Backfill ${record.id} is ${record.state} (round ${round.number}, ${counted(round.tombstones, 'tombstone')}). ` +
      `${undo} ${record.id}`,
  )
}

function planForJson({ record, round, differences, left }: RoundPlan, dryRun: boolean): object {
  return { backfill: record.id, state: record.state, round, differences, left, dryRun }
}

function outcomeForJson({ record, round, written, done, transactions, left }: RoundOutcome): object {
  const { number, planned, tombstones } = round
  const sum = { planned, written, done, tombstones, left, transactions }
  return { backfill: record.id, state: record.state, round: number, ...sum }
}
