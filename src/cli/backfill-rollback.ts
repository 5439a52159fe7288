/** `millrace backfill rollback`: restores what was published before a promotion. */
import { planRollback, rollbackBackfill } from '../jobs/promotion/promote-backfill.ts'
import { publishRound } from './backfill-publish.ts'
import type { Command } from './command.ts'

/** The command. */
export const backfillRollbackCommand: Command = {
  name: 'backfill rollback',
  summary: 'restores what was published before a promotion',
  description:
    'Writes back what the promotion replaced, with value, headers and timestamp as they were, and tombstones for ' +
    'what was not there; after showing how much and asking. Exactly once, and after a kill the same command goes on. ' +
    'Refuses, before it writes anything, when one of the keys was written by others since. Afterwards the backfill ' +
    'can be compared or promoted again.',
  argument: { name: 'id', help: 'of the backfill', variadic: false },
  settings: ['dryRun', 'yes', 'as'],
  examples: ['millrace backfill rollback fix-mean', 'millrace backfill rollback fix-mean --yes'],
  async run(context) {
    const { settings, args, clock, signal } = context
    const [id = ''] = args
    const log = await context.openLog('existing')
    const place = { log, applicationId: settings.applicationId }
    const plan = await planRollback(place, id)
    return publishRound(context, log, plan, {
      verb: 'rollback',
      toDo: 'to roll it back',
      done: 'Rolled back',
      canary: undefined,
      publish: (onProgress) => rollbackBackfill(place, id, { clock, signal, onProgress }),
    })
  },
}
