/** `millrace run`: readings become aggregates. */
import { sleep } from '../clock.ts'
import { FatalError } from '../errors.ts'
import { checkSavepointName } from '../jobs/savepoint/savepoint-folder.ts'
import type { Log } from '../log/log.ts'
import { SENSOR_DEFAULTS } from '../sensors/sensor-topology.ts'
import type { OpsEndpoint } from '../web/ops-endpoint.ts'
import { AGGREGATOR_SETTINGS, aggregatorProblems, aggregatorTopology, runAggregator } from './aggregator.ts'
import type { Command, CommandContext } from './command.ts'
import { EXIT, InterruptedError } from './failure.ts'
import { goBackToSavepoint } from './from-savepoint.ts'
import { observedApp, openOps } from './ops.ts'
import { summarize, summaryAsJson, takeSnapshot, tellSummary } from './run-summary.ts'
import { formatProblems, openSensorSerdes } from './value-format.ts'

/** How often is looked for a topic that does not exist yet. */
const LOOK_MS = 250

/** The command. */
export const runCommand: Command = {
  name: 'run',
  summary: 'aggregates readings, window by window',
  description:
    'Reads the topic of the readings and writes one result per sensor and window into aggregates, ' +
    'exactly once, until it ' +
    'is stopped; several instances share the partitions. Late readings go to <topic>.late, what is no reading to ' +
    '<topic>.dlq. With --until-end it ends where the topic ends now, and with --flush it also closes the ' +
    'windows that ' +
    'are open there.',
  settings: [
    'untilEnd',
    'flush',
    ...AGGREGATOR_SETTINGS,
    'workers',
    'standbys',
    'registry',
    'valueFormat',
    'http',
    'fromSavepoint',
    'republish',
    'again',
    'savepointDir',
  ],
  examples: [
    'millrace run --window 5m --advance 1m --grace 30s',
    'millrace run --until-end --flush --valid-range 55..105',
    'millrace run --format avro --registry http://127.0.0.1:8081',
    'millrace run --workers 2 --http 127.0.0.1:9464',
    'millrace run --from-savepoint before-upgrade',
  ],
  check(settings) {
    const { untilEnd, flush, fromSavepoint, republish, again } = settings.values
    const problems = [...aggregatorProblems(settings), ...formatProblems(settings)]
    if (flush && !untilEnd)
      problems.push('--flush closes what is open at the end of a run: it needs --until-end')
    if (fromSavepoint !== undefined) checkSavepointName(fromSavepoint)
    else if (republish || again)
      problems.push(`--${republish ? 'republish' : 'again'} is about --from-savepoint, which is not there`)
    return problems
  },
  async run(context) {
    // First of all, so that whoever watches the process sees it wait for its log and its topic.
    const ops = await openOps(context)
    try {
      return await aggregate(context, ops)
    } finally {
      await ops?.close()
    }
  },
}

async function aggregate(context: CommandContext, ops: OpsEndpoint | undefined): Promise<number> {
  const { settings, terminal } = context
  const log = await context.openLog('create')
  if (!(await topicThere(context, log, settings.untilEnd))) return EXIT.done
  const serdes = await openSensorSerdes(context)
  await goBackToSavepoint(context, log, aggregatorTopology(settings, serdes))
  const place = {
    log,
    applicationId: settings.applicationId,
    aggregatesTopic: SENSOR_DEFAULTS.aggregatesTopic,
    aggregate: serdes.aggregate,
  }
  const before = await takeSnapshot(place)
  const bounded = settings.untilEnd ? { flush: settings.flush } : undefined
  const { elapsedMs, interrupted } = await runAggregator(context, log, serdes, bounded, (app, folders) => {
    ops?.observe(observedApp(app, log, folders))
  })
  const summary = await summarize(place, before, elapsedMs)
  if (terminal.json) await terminal.data(`${JSON.stringify(summaryAsJson(summary))}\n`)
  tellSummary(summary, terminal)
  if (settings.untilEnd && interrupted) {
    throw new InterruptedError(
      'Interrupted before the end. Run the same command again: it goes on where it was.',
    )
  }
  return EXIT.done
}

/** Waits for the topic of the readings; false when it was stopped before. A bounded run does not wait. */
async function topicThere(context: CommandContext, log: Log, bounded: boolean): Promise<boolean> {
  const { settings, terminal, clock, signal } = context
  const { topic } = settings
  for (let told = false; !signal.aborted; told = true) {
    if ((await log.describeTopics([topic])).has(topic)) return true
    if (bounded) {
      throw new FatalError(
        'TOPIC_UNKNOWN',
        `There is no topic ${topic} yet. Import or generate some readings first.`,
      )
    }
    if (!told) terminal.note(`Waiting for the topic ${topic}: import or generate some readings …`)
    await sleep(clock, LOOK_MS, signal)
  }
  return false
}
