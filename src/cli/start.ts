/** `millrace start`: the real readings that come with the repository, from file to result. */
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { FatalError } from '../errors.ts'
import type { Log } from '../log/log.ts'
import { readStatus } from '../runtime/status.ts'
import type { SensorSerdes } from '../sensors/sensor-serdes.ts'
import { SENSOR_DEFAULTS } from '../sensors/sensor-topology.ts'
import { aggregatorProblems, runAggregator } from './aggregator.ts'
import type { Command, CommandContext } from './command.ts'
import { EXIT, InterruptedError } from './failure.ts'
import { importFiles } from './import-job.ts'
import { deadLetterTopicOf, lateTopicOf } from './import-records.ts'
import { ImportWatch, tellOutcome } from './import.ts'
import { summarize, takeSnapshot, type RunSnapshot, type RunSummary } from './run-summary.ts'
import { countByKey, endsOf, sensorCounts, type Positions, type SensorCounts } from './sensor-counts.ts'
import type { Settings } from './settings.ts'
import { formatDuration } from './setting-values.ts'
import { counted, formatCount, table } from './text.ts'
import { formatProblems, openSensorSerdes } from './value-format.ts'

/**
 * What is normal for the two sensors, in Fahrenheit as their files are. The machine spends nine tenths of its time
 * between 55.6 and 101 °F (median 89) and only 0.15 % above 105; below 55 lie its four known failures, down to 2 °F.
 * The office lies between 57 and 87 °F throughout.
 */
const VALID_RANGE_FAHRENHEIT = { low: 55, high: 105 }

/** The command. */
export const startCommand: Command = {
  name: 'start',
  summary: 'shows it all on real readings',
  description:
    'Imports the readings that come with the repository, two real temperature series, aggregates them ' +
    'until their end, ' +
    'and shows what came of it; npm start calls it. With the windows that run has by default, so that run can go on ' +
    'from there.',
  settings: [],
  examples: ['npm start', 'millrace start --data-dir /tmp/millrace'],
  check: (settings) => [...aggregatorProblems(settings), ...formatProblems(settings)],
  async run(given) {
    const context = { ...given, settings: startSettings(given) }
    const log = await context.openLog('create')
    const files = await shippedFiles(context)
    const serdes = await openSensorSerdes(context)
    const watch = new ImportWatch(context, context.settings.topic)
    const { clock, random, signal, settings, terminal } = context
    const imported = await importFiles({
      log,
      clock,
      random,
      signal,
      files,
      topic: settings.topic,
      reading: serdes.reading,
      partitions: undefined,
      options: {},
      sort: false,
      again: false,
      listener: watch,
    }).finally(() => watch.end())
    if (signal.aborted) throw interrupted()
    const nothingImported = imported.files.every(({ state }) => state === 'already-imported')
    if (nothingImported)
      terminal.say(
        `The ${counted(files.length, 'file')} in ${path.dirname(files[0] ?? '')} are already imported.`,
      )
    else tellOutcome(imported, context, settings.topic)
    const result = await aggregate(context, log, serdes)
    if (terminal.json) await terminal.data(`${asJson(result)}\n`)
    tell(result, context)
    return EXIT.done
  },
}

/** The settings of `run`, from the environment and the file too, except what makes this comparable for everybody. */
function startSettings({ settings, isGiven }: CommandContext): Settings {
  return {
    ...settings,
    advance: undefined,
    emit: 'close',
    validRange: isGiven('validRange') ? settings.validRange : VALID_RANGE_FAHRENHEIT,
  }
}

async function shippedFiles({ packageRoot }: CommandContext): Promise<readonly string[]> {
  const folder = path.join(packageRoot, 'data')
  const names = await readdir(folder).catch(() => [])
  const files = names.filter((name) => name.endsWith('.csv')).sort()
  if (files.length > 0) return files.map((name) => path.relative(process.cwd(), path.join(folder, name)))
  throw new FatalError(
    'PACKAGE_INCOMPLETE',
    `The readings that come with the repository are missing in ${folder}.`,
  )
}

interface StartResult {
  readonly summary: RunSummary
  readonly sensors: ReadonlyMap<string, SensorCounts>
}

/** Positions before a run: of what it reads, and of what it writes. */
interface Before {
  readonly snapshot: RunSnapshot
  readonly worked: Positions
  readonly late: Positions
  readonly deadLetters: Positions
}

async function aggregate(context: CommandContext, log: Log, serdes: SensorSerdes): Promise<StartResult> {
  const { settings } = context
  const { topic, applicationId } = settings
  const aggregatesTopic = SENSOR_DEFAULTS.aggregatesTopic
  const place = { log, applicationId, aggregatesTopic, aggregate: serdes.aggregate }
  const [lateTopic, deadLetterTopic] = [lateTopicOf(topic), deadLetterTopicOf(topic)]
  const before: Before = {
    snapshot: await takeSnapshot(place),
    worked: await workedPositions(log, applicationId, topic),
    late: await endsOf(log, lateTopic),
    deadLetters: await endsOf(log, deadLetterTopic),
  }
  const { elapsedMs, interrupted: stopped } = await runAggregator(context, log, serdes, { flush: true })
  if (stopped) throw interrupted()
  const summary = await summarize(place, before.snapshot, elapsedMs)
  const worked = await workedPositions(log, applicationId, topic)
  const sensors = sensorCounts(
    summary.sensors,
    await countByKey(log, topic, before.worked, worked),
    await countByKey(log, lateTopic, before.late, await endsOf(log, lateTopic)),
    await countByKey(log, deadLetterTopic, before.deadLetters, await endsOf(log, deadLetterTopic)),
  )
  return { summary, sensors }
}

async function workedPositions(log: Log, applicationId: string, topic: string): Promise<Positions> {
  const { tasks } = await readStatus(log, applicationId)
  const inputs = tasks.flatMap((task) => task.inputs).filter((input) => input.topic === topic)
  return new Map(inputs.map(({ partition, position }) => [partition, position]))
}

function interrupted(): InterruptedError {
  return new InterruptedError('Interrupted. Start it again: it goes on where it was.')
}

function tell({ summary, sensors }: StartResult, context: CommandContext): void {
  const { terminal, settings, directories } = context
  const { low, high } = settings.validRange
  terminal.say()
  if (summary.readings === 0 && summary.windows === 0) {
    terminal.say(terminal.bold('Nothing new: all readings have been worked already.'))
  } else {
    const windows = `windows of ${formatDuration(settings.window)}, grace ${formatDuration(settings.grace)}`
    terminal.say(
      terminal.bold(
        `${counted(summary.readings, 'reading')} became ${counted(summary.windows, 'result')} ` +
          `(${formatCount(summary.readingsPerSecond)} readings/s)`,
      ),
    )
    terminal.say(`${windows}; outside ${low}..${high} °F a reading counts as deviated`)
    terminal.say()
    for (const line of sensorTable(summary, sensors)) terminal.say(`  ${line}`)
  }
  terminal.say()
  const place = settings.log === 'kafka' ? `on ${settings.brokers?.join(',')}` : `in ${directories.data}`
  terminal.say(`The results are in the topic aggregates ${place}. What to try next:`)
  for (const line of nextSteps(context)) terminal.say(`  ${line}`)
}

function sensorTable(summary: RunSummary, sensors: StartResult['sensors']): readonly string[] {
  const row = (name: string, counts: SensorCounts): string[] => [
    name,
    formatCount(counts.windows),
    formatCount(counts.readings),
    formatCount(counts.deviated),
    formatCount(counts.late),
    formatCount(counts.duplicates),
    formatCount(counts.deadLetters),
  ]
  const all = { ...summary, readings: summary.counted }
  const numbers = ['windows', 'counted', 'deviated', 'late', 'duplicates', 'dead letters']
  return table(
    [{ title: 'sensor' }, ...numbers.map((title) => ({ title, align: 'right' }) as const)],
    [...[...sensors].map(([name, counts]) => row(name, counts)), row('all', all)],
  )
}

/** Commands that work as they stand, after this one. */
function nextSteps({ settings, isGiven }: CommandContext): readonly string[] {
  const log = settings.log === 'kafka' ? ` --log kafka --brokers ${settings.brokers?.join(',')}` : ''
  const where = log + (isGiven('dataDir') ? ` --data-dir ${settings.dataDir}` : '')
  const whose = isGiven('applicationId') ? ` --application-id ${settings.applicationId}` : ''
  const rows = [
    [`npx millrace export aggregates --format csv${where}`, 'the results'],
    [`npx millrace status${where}${whose}`, 'how far each partition is, and what it waits for'],
    [`npx millrace generate --rate 1000/s${where}`, 'live readings; then, in two more terminals,'],
    [`npx millrace run${where}${whose}`, 'work them'],
    [`npx millrace export aggregates --follow${where}`, 'and see the results as they come'],
  ]
  return table([{ title: '' }, { title: '' }], rows).slice(1)
}

function asJson({ summary, sensors }: StartResult): string {
  const { sensors: ignored, elapsedMs, ...counts } = summary
  void ignored
  const bySensor = [...sensors].map(([sensor, of]) => ({ sensor, ...of }))
  return JSON.stringify({ ...counts, elapsedMs: Math.round(elapsedMs), sensors: bySensor })
}
