/** `millrace backfill list`, `status` and `cancel`. */
import type { BackfillRecord } from '../jobs/backfill/backfill-record.ts'
import { listBackfills, readBackfill } from '../jobs/backfill/backfill-store.ts'
import { cancelBackfill } from '../jobs/backfill/cancel-backfill.ts'
import { listLines, tellPlan, tellProgress } from './backfill-text.ts'
import type { Command, CommandArgument, CommandContext } from './command.ts'
import { EXIT } from './failure.ts'

const ID: CommandArgument = { name: 'id', help: 'The backfill, as plan has called it.', variadic: false }

/** All of them. */
export const backfillListCommand: Command = {
  name: 'backfill list',
  summary: 'lists the backfills of the application',
  description: 'One line for each backfill, the oldest first, the cancelled ones too.',
  settings: [],
  examples: ['millrace backfill list', 'millrace backfill list --json'],
  async run(context) {
    const { settings, terminal } = context
    const log = await context.openLog('existing')
    const records = await listBackfills({ log, applicationId: settings.applicationId })
    if (terminal.json) await terminal.data(records.map((record) => `${JSON.stringify(record)}\n`).join(''))
    if (records.length === 0)
      terminal.say(`Application ${settings.applicationId} has no backfills. Plan one: millrace backfill plan`)
    else for (const line of listLines(records)) terminal.say(line)
    return EXIT.done
  },
}

/** One of them, or the newest. */
export const backfillStatusCommand: Command = {
  name: 'backfill status',
  summary: 'shows the plan of a backfill and how far it is',
  description: 'Without an id, that of the newest one. Progress is saved every two seconds while it runs.',
  argument: { ...ID, optional: true },
  settings: [],
  examples: ['millrace backfill status', 'millrace backfill status repair-1 --json'],
  async run(context) {
    const { terminal } = context
    const record = await wanted(context)
    if (record === undefined) {
      terminal.say('There are no backfills yet. Plan one: millrace backfill plan')
      return EXIT.done
    }
    if (terminal.json) await terminal.data(`${JSON.stringify(record)}\n`)
    tellPlan(record, terminal)
    terminal.say()
    tellProgress(record, terminal)
    return EXIT.done
  },
}

async function wanted({ settings, args, openLog }: CommandContext): Promise<BackfillRecord | undefined> {
  const place = { log: await openLog('existing'), applicationId: settings.applicationId }
  const [id] = args
  return id === undefined ? (await listBackfills(place)).at(-1) : readBackfill(place, id)
}

/** Takes one back that has published nothing. */
export const backfillCancelCommand: Command = {
  name: 'backfill cancel',
  summary: 'removes everything a backfill has made, and keeps its record',
  description:
    'Removes staging topics, internal topics, group and local state of a backfill that does not run and has ' +
    'published nothing. Its plan stays on record.',
  argument: ID,
  settings: ['sessionTimeout'],
  examples: [
    'millrace backfill cancel repair-1',
    'millrace backfill cancel repair-1 --application-id plant-2',
  ],
  async run(context) {
    const { settings, terminal, clock, directories, signal, args } = context
    const log = await context.openLog('existing')
    const record = await cancelBackfill({
      log,
      applicationId: settings.applicationId,
      clock,
      id: args[0] ?? '',
      stateFolder: directories.state,
      sessionTimeoutMs: settings.sessionTimeout,
      signal,
    })
    if (terminal.json) await terminal.data(`${JSON.stringify(record)}\n`)
    terminal.say(`Backfill ${record.id} is cancelled. Only its record is left.`)
    return EXIT.done
  },
}
