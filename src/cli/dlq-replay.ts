/** `millrace dlq replay`: puts dead letters back where they came from. */
import { aggregatorProblems } from './aggregator.ts'
import type { Command } from './command.ts'
import { handleCommand } from './dlq-handle.ts'
import { filterProblems, LETTER_FILTERS } from './dlq-letters.ts'
import { PREVIEW_SETTINGS } from './dlq-preview.ts'
import { formatProblems } from './value-format.ts'

/** The command. */
export const dlqReplayCommand: Command = {
  name: 'dlq replay',
  summary: 'puts dead letters back where they came from',
  description:
    'Puts the open dead letters, or those of the positions and filters, back into the topic and the partition they ' +
    'came from, with their key, value, timestamp and headers; after showing how many and asking. Each exactly ' +
    'once, also when it is killed: the same command goes on. What fails again comes back as a new dead letter, ' +
    'which the same run does not replay. --dry-run shows how many, and which windows they belong to, by the same ' +
    'settings as run.',
  argument: {
    name: 'position',
    help: 'PARTITION@OFFSET of single dead letters. Default: all.',
    variadic: true,
    optional: true,
  },
  settings: [
    'letterTopic',
    ...LETTER_FILTERS,
    'dryRun',
    'rate',
    'maxAttempts',
    'again',
    'yes',
    'as',
    ...PREVIEW_SETTINGS,
  ],
  examples: [
    'millrace dlq replay --dry-run',
    'millrace dlq replay --code TEMPERATURE_INVALID --rate 500/s --max-attempts 3 --yes',
  ],
  check: (settings) => [
    ...filterProblems(settings),
    ...aggregatorProblems(settings),
    ...formatProblems(settings),
  ],
  run: (context) => handleCommand(context, 'replay'),
}
