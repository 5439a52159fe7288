/** `millrace dlq stats`: how many dead letters there are. */
import { readMarks } from '../jobs/dead-letters/handled-marks.ts'
import { AGE_UNKNOWN, AGES, LetterCounts } from '../jobs/dead-letters/letter-counts.ts'
import { isMeant } from '../jobs/dead-letters/letter-filter.ts'
import { describeLetterTopic, letterRanges, readLetters } from '../jobs/dead-letters/read-letters.ts'
import type { Command } from './command.ts'
import { filterOf, filterProblems, LETTER_FILTERS, letterTopicOf, timeText } from './dlq-letters.ts'
import { EXIT } from './failure.ts'
import { formatCount, table } from './text.ts'

/** The command. */
export const dlqStatsCommand: Command = {
  name: 'dlq stats',
  summary: 'how many dead letters there are, and why',
  description:
    'Counts the dead letters: open, replayed, parked, discarded; and the open ones by error, stage, source topic, ' +
    'partition and age. With --all these count all of them.',
  settings: ['letterTopic', ...LETTER_FILTERS, 'all'],
  examples: ['millrace dlq stats', `millrace dlq stats --json | jq '.byCode'`],
  check: filterProblems,
  async run(context) {
    const { settings, terminal, clock, signal } = context
    const topic = letterTopicOf(settings)
    const filter = filterOf(settings)
    const log = await context.openLog('existing')
    const letters = await describeLetterTopic(log, topic)
    const marks = await readMarks(log, letters, 'stable')
    const counts = new LetterCounts(clock.now(), settings.all)
    for (const range of await letterRanges(log, letters)) {
      for await (const chunk of readLetters(log, topic, range)) {
        for (const letter of chunk) if (isMeant(filter, letter)) counts.add(letter, marks.of(letter))
        if (signal.aborted) return EXIT.failed
      }
    }
    if (terminal.json) await terminal.data(`${JSON.stringify(countsForJson(topic, counts))}\n`)
    for (const line of countLines(topic, counts)) terminal.say(line)
    return EXIT.done
  },
}

function countLines(topic: string, counts: LetterCounts): readonly string[] {
  const { open, replayed, parked, discarded } = counts.states
  const states = [
    `${formatCount(open)} open`,
    `${formatCount(replayed)} replayed`,
    `${formatCount(parked)} parked`,
    `${formatCount(discarded)} discarded`,
  ]
  const lines = [`Dead letters in ${topic}: ${formatCount(counts.total)} (${states.join(', ')}).`]
  if (counts.oldestMs !== Infinity) {
    lines.push(`They failed between ${timeText(counts.oldestMs)} and ${timeText(counts.newestMs)}.`)
  }
  const groups = [
    ['code', byCount(counts.byCode)],
    ['stage', byCount(counts.byStage)],
    ['source topic', byCount(counts.bySource)],
    ['partition', [...counts.byPartition].sort(([a], [b]) => Number(a) - Number(b))],
    ['age', byAge(counts.byAge)],
  ] as const
  for (const [title, rows] of groups) {
    if (rows.length === 0) continue
    const cells = rows.map(([name, count]) => [name === '' ? 'unknown' : name, formatCount(count)])
    lines.push('', ...table([{ title }, { title: 'letters', align: 'right' }], cells))
  }
  return lines
}

function countsForJson(topic: string, counts: LetterCounts): object {
  const { total, states, byCode, byStage, bySource, byPartition, byAge, oldestMs, newestMs } = counts
  return {
    topic,
    total,
    ...states,
    byCode: Object.fromEntries(byCode),
    byStage: Object.fromEntries(byStage),
    bySource: Object.fromEntries(bySource),
    byPartition: Object.fromEntries(byPartition),
    byAge: Object.fromEntries(byAge),
    oldest: oldestMs === Infinity ? null : timeText(oldestMs),
    newest: newestMs === -Infinity ? null : timeText(newestMs),
  }
}

/** The most frequent first. */
function byCount(counts: ReadonlyMap<string, number>): readonly (readonly [string, number])[] {
  return [...counts].sort(([nameA, a], [nameB, b]) => b - a || (nameA < nameB ? -1 : 1))
}

function byAge(counts: ReadonlyMap<string, number>): readonly (readonly [string, number])[] {
  return [...AGES.map(({ name }) => name), AGE_UNKNOWN].flatMap((name) => {
    const count = counts.get(name)
    return count === undefined ? [] : [[name, count] as const]
  })
}
