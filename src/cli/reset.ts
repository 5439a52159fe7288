/** `millrace reset`: lets an application begin anew. */
import { audited } from '../jobs/audit.ts'
import { isEmptyPlan, planReset, reset, type ResetPlan } from '../jobs/reset.ts'
import { SENSOR_DEFAULTS } from '../sensors/sensor-topology.ts'
import type { Command, CommandContext } from './command.ts'
import { confirmed } from './confirm.ts'
import { EXIT } from './failure.ts'
import { deadLetterTopicOf, lateTopicOf } from './import-records.ts'
import { offsetAsJson } from './record-json.ts'
import { counted, formatCount } from './text.ts'
import { auditTrailOf } from './who.ts'

/** The command. */
export const resetCommand: Command = {
  name: 'reset',
  summary: 'lets the application begin anew',
  description:
    "Removes the application's positions, local state and internal topics, after showing them and asking; " +
    'the readings and everything it has written for others stay. Afterwards it works all readings again, ' +
    'and writes their results a second time into the same topics. Refuses while the application runs. What is known ' +
    'of its dead letters and its audit stay.',
  settings: ['topic', 'dryRun', 'yes', 'as'],
  examples: ['millrace reset --dry-run', 'millrace reset --application-id trial --yes'],
  async run(context) {
    const { settings, terminal, directories } = context
    const log = await context.openLog('existing')
    const { applicationId } = settings
    const spec = { log, applicationId, stateFolder: directories.state }
    const plan = await planReset(spec)
    if (terminal.json) await terminal.data(`${planAsJson(plan)}\n`)
    if (isEmptyPlan(plan)) {
      terminal.say(`There is nothing to reset: application ${applicationId} has left nothing behind.`)
      return EXIT.done
    }
    tellPlan(plan, context, keptTopics(context, await log.listTopics()))
    if (settings.dryRun) {
      terminal.say('Dry run: nothing was removed.')
      return EXIT.done
    }
    if (!settings.yes && !(await confirmed(context, applicationId, 'to remove all this'))) {
      terminal.note('Not confirmed: nothing was removed.')
      return EXIT.failed
    }
    const operation = { operation: context.random.uuid(), command: 'reset' }
    await audited(auditTrailOf(context, log), operation, async () => {
      await reset(spec, plan)
      const { positions, internalTopics, stateFolders } = plan
      const counts = {
        positions: positions.length,
        topics: internalTopics.length,
        states: stateFolders.length,
      }
      return { outcome: undefined, counts }
    })
    terminal.say(`Application ${applicationId} is reset.`)
    return EXIT.done
  },
}

/** Topics that the application writes and that stay. */
function keptTopics({ settings }: CommandContext, existing: readonly string[]): readonly string[] {
  const { topic } = settings
  const written = [SENSOR_DEFAULTS.aggregatesTopic, lateTopicOf(topic), deadLetterTopicOf(topic)]
  return written.filter((name) => existing.includes(name))
}

function tellPlan(plan: ResetPlan, { terminal }: CommandContext, kept: readonly string[]): void {
  terminal.say(`A reset of application ${plan.applicationId} removes`)
  terminal.say(`  its positions in ${counted(plan.positions.length, 'partition')}`)
  for (const { topic, partition, offset } of plan.positions) {
    terminal.say(`    ${topic}/${partition} at ${formatCount(offset)}`)
  }
  terminal.say(`  ${counted(plan.internalTopics.length, 'internal topic')}`)
  for (const topic of plan.internalTopics) terminal.say(`    ${topic}`)
  terminal.say(`  the local state of ${counted(plan.stateFolders.length, 'instance')}`)
  for (const folder of plan.stateFolders) terminal.say(`    ${folder}`)
  if (kept.length > 0) terminal.say(`What it has written stays: ${kept.join(', ')}.`)
}

function planAsJson(plan: ResetPlan): string {
  const positions = plan.positions.map(
    ({ topic, partition, offset }) =>
      `{"topic":${JSON.stringify(topic)},"partition":${partition},"offset":${offsetAsJson(offset)}}`,
  )
  const { applicationId, internalTopics, stateFolders } = plan
  const rest = JSON.stringify({ applicationId, internalTopics, stateFolders })
  return `${rest.slice(0, -1)},"positions":[${positions.join(',')}]}`
}
