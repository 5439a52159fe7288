/** `millrace savepoint drop-incarnation`: removes what an application left behind when it went back. */
import { ConfigError } from '../errors.ts'
import { dropIncarnation } from '../jobs/savepoint/drop-incarnation.ts'
import type { Command } from './command.ts'
import { EXIT } from './failure.ts'
import { counted } from './text.ts'

/** The command. */
export const savepointDropCommand: Command = {
  name: 'savepoint drop-incarnation',
  summary: 'removes the internal topics of a former incarnation',
  description:
    'Each time the application goes back to a savepoint it begins a new incarnation, with internal topics of ' +
    'its own; the former ones stay. This removes those of one of them. What it published stays; savepoints do ' +
    'not need it.',
  argument: { name: 'incarnation', help: 'its number; 0 for the first', variadic: false },
  settings: [],
  examples: [
    'millrace savepoint drop-incarnation 0',
    'millrace savepoint drop-incarnation 2 --application-id trial',
  ],
  async run(context) {
    const { settings, terminal, args } = context
    const { applicationId } = settings
    const text = args[0] ?? ''
    if (!/^\d{1,9}$/.test(text))
      throw new ConfigError([`${JSON.stringify(text)} is no number of an incarnation`])
    const topics = await dropIncarnation(await context.openLog('existing'), applicationId, Number(text))
    if (terminal.json) await terminal.data(`${JSON.stringify({ applicationId, removed: topics })}\n`)
    terminal.say(`Removed ${counted(topics.length, 'internal topic')} of application ${applicationId}:`)
    for (const topic of topics) terminal.say(`  ${topic}`)
    return EXIT.done
  },
}
