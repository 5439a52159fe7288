/** `millrace dlq show`: all there is to know of one dead letter. */
import { readMarks, type HandledMark } from '../jobs/dead-letters/handled-marks.ts'
import { stateOf } from '../jobs/dead-letters/letter-counts.ts'
import { formatPosition, type Letter } from '../jobs/dead-letters/letter.ts'
import { describeLetterTopic, readLetter } from '../jobs/dead-letters/read-letters.ts'
import { DEAD_LETTER } from '../runtime/header-names.ts'
import type { Command } from './command.ts'
import {
  bytesForJson,
  bytesText,
  letterForJson,
  letterTopicOf,
  positionOf,
  sourceText,
  timeText,
} from './dlq-letters.ts'
import { EXIT } from './failure.ts'
import { headersAsJson, textOf } from './record-json.ts'
import { counted, printable } from './text.ts'

const HEX_ROW_BYTES = 16

/** The command. */
export const dlqShowCommand: Command = {
  name: 'dlq show',
  summary: 'all there is to know of one dead letter',
  description:
    'Shows one dead letter: where it comes from, what went wrong and where, its key, its value as text, or in ' +
    'hexadecimal where it is none, all headers, and what was done with it.',
  argument: { name: 'position', help: 'PARTITION@OFFSET, as dlq list shows it', variadic: false },
  settings: ['letterTopic'],
  examples: ['millrace dlq show 0@17', `millrace dlq show 0@17 --json | jq -r .value`],
  async run(context) {
    const { settings, terminal, args } = context
    const at = positionOf(args[0] ?? '')
    const topic = letterTopicOf(settings)
    const log = await context.openLog('existing')
    const described = await describeLetterTopic(log, topic)
    const letter = await readLetter(log, described, at)
    const mark = (await readMarks(log, described, 'stable')).of(letter)
    if (terminal.json) await terminal.data(`${letterAsJson(letter, mark)}\n`)
    for (const line of letterLines(topic, letter, mark)) terminal.say(line)
    return EXIT.done
  },
}

function letterLines(topic: string, letter: Letter, mark: HandledMark | undefined): readonly string[] {
  const { value, stage, attempt, exception } = letter
  const handled = mark === undefined ? '' : ` by ${printable(mark.by, 80)} at ${timeText(mark.atMs)}`
  const where = stage === '' ? '' : ` in stage ${printable(stage, 200)}`
  const lines = [
    `Dead letter ${formatPosition(letter)} of ${topic}: ${stateOf(mark)}${handled}`,
    `  from       ${sourceText(letter)}`,
    `  failed     ${timeText(letter.failedAtMs)}${where}, attempt ${attempt}`,
    `  error      ${printable(letter.code, 200)}${exception === '' ? '' : ` (${printable(exception, 200)})`}`,
    `  message    ${printable(letter.message)}`,
    `  timestamp  ${timeText(letter.timestampMs)}`,
    `  key        ${printable(bytesText(letter.key))}`,
    `  value      ${value === null ? 'null' : counted(value.length, 'byte')}`,
    ...valueLines(value),
    '  headers',
    ...letter.headers
      .filter(({ key }) => key !== DEAD_LETTER.stacktrace)
      .map((header) => `    ${printable(header.key)}: ${printable(bytesText(header.value))}`),
  ]
  if (letter.stacktrace === '') return lines
  return [
    ...lines,
    '  stack',
    ...letter.stacktrace.split('\n').map((line) => `    ${printable(line.trim())}`),
  ]
}

function valueLines(value: Buffer | null): readonly string[] {
  if (value === null || value.length === 0) return []
  const text = textOf(value)
  if (text !== undefined) return text.split('\n').map((line) => `    ${printable(line)}`)
  const rows: string[] = []
  for (let at = 0; at < value.length; at += HEX_ROW_BYTES) {
    const bytes = [...value.subarray(at, at + HEX_ROW_BYTES)]
    const hex = bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(' ')
    const letters = bytes.map((byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : '.')).join('')
    rows.push(`    ${at.toString(16).padStart(8, '0')}  ${hex.padEnd(3 * HEX_ROW_BYTES - 1)}  ${letters}`)
  }
  return rows
}

function letterAsJson(letter: Letter, mark: HandledMark | undefined): string {
  const all = { ...letterForJson(letter, mark), ...bytesForJson('value', letter.value) }
  const { stacktrace } = letter
  return `${JSON.stringify({ ...all, stacktrace }).slice(0, -1)},"headers":${headersAsJson(letter.headers)}}`
}
