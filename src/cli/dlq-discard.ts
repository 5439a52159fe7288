/** `millrace dlq discard`: marks dead letters as dealt with. */
import type { Command } from './command.ts'
import { handleCommand } from './dlq-handle.ts'
import { filterProblems, LETTER_FILTERS } from './dlq-letters.ts'

/** The command. */
export const dlqDiscardCommand: Command = {
  name: 'dlq discard',
  summary: 'marks dead letters as dealt with',
  description:
    'Marks the open dead letters, or those of the positions and filters, as dealt with, after showing how many and ' +
    'asking; nothing is written anywhere else. They stay in their topic: dlq list --all shows them, and dlq replay ' +
    '--again still puts them back.',
  argument: {
    name: 'position',
    help: 'PARTITION@OFFSET of single dead letters. Default: all.',
    variadic: true,
    optional: true,
  },
  settings: ['letterTopic', ...LETTER_FILTERS, 'dryRun', 'yes', 'as'],
  examples: ['millrace dlq discard 0@17 2@4', 'millrace dlq discard --code FOREIGN --yes'],
  check: filterProblems,
  run: (context) => handleCommand(context, 'discard'),
}
