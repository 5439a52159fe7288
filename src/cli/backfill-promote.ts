/** `millrace backfill promote`: publishes the differences that a comparison found. */
import { planPromotion, promoteBackfill } from '../jobs/promotion/promote-backfill.ts'
import { publishRound } from './backfill-publish.ts'
import type { Command } from './command.ts'

/** The command. */
export const backfillPromoteCommand: Command = {
  name: 'backfill promote',
  summary: 'publishes the differences that backfill reconcile found',
  description:
    'Writes into the published topic what differs, and nothing else, after showing how much and asking: staged ' +
    'results with their timestamps, tombstones for what should not be there; headers name the backfill, its plan ' +
    'and the round. Exactly once: in one transaction where it fits, else it says in how many; after a kill the same ' +
    'command goes on. ' +
    'Refuses, before it writes anything, when one of the keys was written by others since the comparison.',
  argument: { name: 'id', help: 'of the backfill', variadic: false },
  settings: ['maxChanged', 'canary', 'allowViolations', 'dryRun', 'yes', 'as'],
  examples: [
    'millrace backfill promote fix-mean --max-changed 5%',
    'millrace backfill promote fix-mean --canary 100 --yes',
  ],
  async run(context) {
    const { settings, args, clock, signal } = context
    const [id = ''] = args
    const log = await context.openLog('existing')
    const place = { log, applicationId: settings.applicationId }
    const gate = { maxChanged: settings.maxChanged, despiteViolations: settings.allowViolations }
    const plan = await planPromotion(place, id, gate)
    return publishRound(context, log, plan, {
      verb: 'promote',
      toDo: 'to promote it',
      done: 'Promoted',
      canary: settings.canary,
      publish: (onProgress) =>
        promoteBackfill(place, id, { ...gate, clock, signal, canary: settings.canary, onProgress }),
    })
  },
}
