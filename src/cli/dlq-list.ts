/** `millrace dlq list`: dead letters, one a line. */
import { readMarks } from '../jobs/dead-letters/handled-marks.ts'
import { stateOf } from '../jobs/dead-letters/letter-counts.ts'
import { isMeant } from '../jobs/dead-letters/letter-filter.ts'
import { formatPosition } from '../jobs/dead-letters/letter.ts'
import { describeLetterTopic, letterRanges, readLetters } from '../jobs/dead-letters/read-letters.ts'
import type { Command } from './command.ts'
import {
  bytesText,
  filterOf,
  filterProblems,
  LETTER_FILTERS,
  letterForJson,
  letterTopicOf,
  sourceText,
  timeText,
} from './dlq-letters.ts'
import { EXIT } from './failure.ts'
import { counted, printable, table } from './text.ts'

const LIMIT = 50
const MESSAGE_CHARACTERS = 60
const KEY_CHARACTERS = 40
const WRITE_CHARACTERS = 65_536

/** The command. */
export const dlqListCommand: Command = {
  name: 'dlq list',
  summary: 'dead letters, one a line',
  description:
    'Lists the open dead letters, partition by partition, the oldest first: position, when it failed, error, stage, ' +
    'where it comes from. With --all also those that are dealt with. With --json one JSON object a line.',
  settings: ['letterTopic', ...LETTER_FILTERS, 'all', 'limit'],
  examples: [
    'millrace dlq list --code TIMESTAMP_INVALID --limit 10',
    `millrace dlq list --json --all | jq -r 'select(.state == "parked") | .key'`,
  ],
  check: filterProblems,
  async run(context) {
    const { settings, terminal, signal } = context
    const topic = letterTopicOf(settings)
    const filter = filterOf(settings)
    const log = await context.openLog('existing')
    const letters = await describeLetterTopic(log, topic)
    const marks = await readMarks(log, letters, 'stable')
    const limit = settings.limit ?? (terminal.json ? Infinity : LIMIT)
    const rows: string[][] = []
    let [found, json] = [0, '']
    for (const range of await letterRanges(log, letters)) {
      for await (const chunk of readLetters(log, topic, range)) {
        for (const letter of chunk) {
          const mark = marks.of(letter)
          const isShown = (mark === undefined || settings.all) && isMeant(filter, letter)
          if (!isShown || ++found > limit) continue
          if (terminal.json) json += `${JSON.stringify(letterForJson(letter, mark))}\n`
          else rows.push(rowOf(letter, stateOf(mark)))
        }
        if (json.length > WRITE_CHARACTERS) {
          await terminal.data(json)
          json = ''
        }
        if (signal.aborted || terminal.readerGone.aborted || (terminal.json && found >= limit)) break
      }
    }
    await terminal.data(json)
    if (rows.length > 0) for (const line of table(COLUMNS, rows)) terminal.say(line)
    if (found > rows.length) terminal.say(`and ${counted(found - rows.length, 'more dead letter')} (--limit)`)
    if (found === 0)
      terminal.say(`There are no ${settings.all ? '' : 'open '}dead letters in ${topic} that fit.`)
    return EXIT.done
  },
}

const COLUMNS = [
  { title: 'position' },
  { title: 'failed' },
  { title: 'code' },
  { title: 'stage' },
  { title: 'from' },
  { title: 'key' },
  { title: 'tries', align: 'right' },
  { title: 'state' },
  { title: 'message' },
] as const

function rowOf(letter: Parameters<typeof letterForJson>[0], state: string): string[] {
  return [
    formatPosition(letter),
    timeText(letter.failedAtMs),
    letter.code,
    letter.stage,
    sourceText(letter),
    printable(bytesText(letter.key), KEY_CHARACTERS),
    String(letter.attempt),
    state,
    printable(letter.message, MESSAGE_CHARACTERS),
  ]
}
