/** `millrace import`: files of readings into a topic. */
import type { Command, CommandContext } from './command.ts'
import { EXIT, InterruptedError } from './failure.ts'
import { importFiles, type ImportListener, type ImportOutcome } from './import-job.ts'
import { deadLetterTopicOf } from './import-records.ts'
import { counted, formatBytes, formatCount, formatTime, printable } from './text.ts'
import { formatProblems, openReadingSerde } from './value-format.ts'

/** Bad lines that are told one by one. */
const BAD_LINES_TOLD = 5

/** The command. */
export const importCommand: Command = {
  name: 'import',
  summary: 'files of readings into a topic',
  description:
    'Reads CSV or JSONL files of readings into a topic, keyed by sensor, in the order of the files; ' +
    'several files are ' +
    'merged by event time. Each line takes effect once: an import that was stopped goes on where it was, one that is ' +
    `repeated adds nothing. Lines that are no reading are kept in <topic>.dlq, with file and line.`,
  argument: { name: 'file', help: 'CSV (with a header line) or JSONL; one or more', variadic: true },
  settings: ['topic', 'sensor', 'map', 'importFormat', 'sort', 'partitions', 'again', 'registry'],
  examples: [
    'millrace import data/machine_temperature_system_failure.csv',
    'millrace import plant.csv --map timestamp=time,temperature=celsius,sensorId=probe --sort',
  ],
  check: formatProblems,
  async run(context) {
    const { settings, terminal } = context
    const log = await context.openLog('create')
    const watch = new ImportWatch(context, settings.topic)
    let outcome: ImportOutcome
    try {
      outcome = await importFiles({
        log,
        clock: context.clock,
        random: context.random,
        signal: context.signal,
        files: context.args,
        topic: settings.topic,
        reading: await openReadingSerde(context, settings.topic),
        partitions: settings.partitions,
        options: {
          ...(settings.sensor !== undefined && { sensor: settings.sensor }),
          ...(settings.map !== undefined && { columns: settings.map }),
          ...(settings.importFormat !== undefined && { format: settings.importFormat }),
        },
        sort: settings.sort,
        again: settings.again,
        listener: watch,
      })
    } finally {
      watch.end()
    }
    if (terminal.json) await terminal.data(`${JSON.stringify(asJson(outcome, settings.topic))}\n`)
    tellOutcome(outcome, context, settings.topic)
    if (outcome.files.some(({ state }) => state === 'interrupted')) {
      throw new InterruptedError('Interrupted. Run the same command again: it goes on where it was.')
    }
    return EXIT.done
  },
}

/** Shows how an import goes: a bar, the first bad lines, what gets in its way. */
export class ImportWatch implements ImportListener {
  private readonly context: CommandContext
  private readonly topic: string
  private readonly identifying
  private readonly importing
  private badLines = 0

  constructor(context: CommandContext, topic: string) {
    this.context = context
    this.topic = topic
    this.identifying = context.terminal.progress('checking ')
    this.importing = context.terminal.progress('importing')
  }

  onIdentify(bytes: number, total: number): void {
    this.identifying.update(bytes, total, formatBytes(total))
  }

  onProgress(bytes: number, total: number, readings: number): void {
    this.identifying.end()
    this.importing.update(bytes, total, counted(readings, 'reading'))
  }

  onBadLine({ file, line, code, message }: Parameters<ImportListener['onBadLine']>[0]): void {
    const { terminal } = this.context
    this.badLines++
    if (this.badLines > BAD_LINES_TOLD) return
    terminal.note(
      `${terminal.yellow('warning:')} ${printable(file)}:${line}: ${printable(message, 300)} [${code}]`,
    )
  }

  onMisplaced(sensors: Parameters<ImportListener['onMisplaced']>[0]): void {
    const { terminal } = this.context
    const [first] = sensors
    const names =
      sensors.length === 1 ? printable(first?.sensorId ?? '', 60) : counted(sensors.length, 'sensor')
    terminal.note(
      `${terminal.yellow('warning:')} the order of the file does not fit event time: it goes back for ${names}, ` +
        'so that nearly all of their readings will be late. Import with --sort, into another topic or with another ' +
        '--data-dir, to have them counted.',
    )
  }

  onRetry(reason: string): void {
    this.context.logger.warn({ reason }, 'the import was interrupted and goes on')
  }

  /** Removes what is only of use while it works, and tells what was left out. */
  end(): void {
    this.identifying.end()
    this.importing.end()
    const { terminal } = this.context
    if (this.badLines === 0) return
    const more = this.badLines - BAD_LINES_TOLD
    const all = this.badLines === 1 ? 'The line is' : 'All are'
    const told = more > 0 ? `… and ${counted(more, 'more bad line')}. ` : ''
    terminal.note(`${told}${all} kept in ${deadLetterTopicOf(this.topic)}; the rest was imported.`)
  }
}

/** Tells people what an import did. */
export function tellOutcome(outcome: ImportOutcome, { terminal }: CommandContext, topic: string): void {
  const { files, readings, badLines, elapsedMs, firstMs, lastMs } = outcome
  for (const { file, state } of files) {
    if (state === 'already-imported') terminal.say(`${printable(file)}: already imported, nothing new`)
    if (state === 'same')
      terminal.say(`${printable(file)}: has the content of another file of this import, left out`)
    if (state === 'continued')
      terminal.say(`${printable(file)}: an earlier import had begun it; went on from there`)
  }
  if (readings + badLines === 0) {
    for (const { file, state } of files) {
      if (state === 'imported') terminal.say(`${printable(file)}: holds no readings`)
    }
    return
  }
  const perSecond = Math.round(readings / Math.max(elapsedMs / 1000, 0.001))
  const bad = badLines === 0 ? '' : `, ${counted(badLines, 'bad line')}`
  terminal.say(
    `Imported ${counted(readings, 'reading')}${bad} into ${topic} (${formatCount(perSecond)} readings/s).`,
  )
  if (readings > 0) terminal.say(`Event times ${formatTime(firstMs)} to ${formatTime(lastMs)}.`)
}

function asJson(outcome: ImportOutcome, topic: string): object {
  const { files, readings, badLines, elapsedMs, firstMs, lastMs, misplaced } = outcome
  return {
    topic,
    files,
    readings,
    badLines,
    elapsedMs: Math.round(elapsedMs),
    firstTimestamp: Number.isFinite(firstMs) ? firstMs : null,
    lastTimestamp: Number.isFinite(lastMs) ? lastMs : null,
    misplacedSensors: misplaced,
  }
}
