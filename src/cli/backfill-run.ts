/** `millrace backfill run`: computes what was planned, into staging topics. */
import { FatalError } from '../errors.ts'
import { backfillApplicationId } from '../jobs/backfill/backfill-names.ts'
import type { BackfillRecord } from '../jobs/backfill/backfill-record.ts'
import { readBackfill } from '../jobs/backfill/backfill-store.ts'
import { refuseRun, runBackfill } from '../jobs/backfill/run-backfill.ts'
import { sensorTopology } from '../sensors/sensor-topology.ts'
import { configOf, topologyOptions } from './aggregator.ts'
import { settingsOfPlan, workedTopology } from './backfill-settings.ts'
import { speedOf, tellProgress } from './backfill-text.ts'
import type { Command, CommandContext } from './command.ts'
import { EXIT, InterruptedError } from './failure.ts'
import { RunWatch } from './run-watch.ts'
import { acquireSoleFolder } from './state-folder.ts'
import { formatElapsed, formatTime } from './text.ts'
import { formatProblems, openSensorSerdes } from './value-format.ts'

/** The command. */
export const backfillRunCommand: Command = {
  name: 'backfill run',
  summary: 'computes what was planned, into staging topics',
  description:
    'Runs a planned backfill beside the running application, which it does not touch: it has a group, topics and ' +
    'state of its own. Stopped or killed, the same command goes on exactly where it was.',
  argument: { name: 'id', help: 'The backfill, as plan has called it.', variadic: false },
  settings: ['rate', 'maxLiveLag', 'registry', 'valueFormat'],
  examples: [
    'millrace backfill run repair-1',
    'millrace backfill run repair-1 --rate 20000/s --max-live-lag 5000',
  ],
  check: formatProblems,
  async run(context) {
    const { settings, terminal, args } = context
    const id = args[0] ?? ''
    const log = await context.openLog('existing')
    const place = { log, applicationId: settings.applicationId }
    const planned = await readBackfill(place, id)
    refuseRun(planned)
    const own = settingsOfPlan(settings, planned.plan)
    const serdes = await openSensorSerdes({ ...context, settings: own })
    const directory = await acquireSoleFolder(
      context.directories,
      backfillApplicationId(settings.applicationId, id),
    )
    if (directory === undefined) {
      throw new FatalError('BACKFILL_RUNNING', `Backfill ${id} is running already, in another process.`)
    }
    let watch: RunWatch | undefined
    let record: BackfillRecord
    try {
      record = await runBackfill({
        ...place,
        ...context,
        id,
        topology: sensorTopology(topologyOptions(own), serdes),
        worked: workedTopology(own, serdes, planned.plan.late),
        config: configOf(own),
        directory,
        ratePerSecond: settings.rate,
        maxLiveLag: settings.maxLiveLag,
        onMade: (app) => (watch = new RunWatch(context, app, log, true)),
        onProgress: (progress) => logProgress(progress, context),
      })
    } finally {
      watch?.end()
    }
    if (terminal.json) await terminal.data(`${JSON.stringify(record)}\n`)
    terminal.say(`Backfill ${id}:`)
    tellProgress(record, terminal)
    if (record.state !== 'ran') {
      throw new InterruptedError(
        'Interrupted before the end. Run the same command again: it goes on where it was.',
      )
    }
    return EXIT.done
  },
}

function logProgress({ id, run, plan }: BackfillRecord, { logger }: CommandContext): void {
  if (run === null) return
  const { recordsPerSecond, leftMs } = speedOf(run.position, run.elapsedMs, plan.estimate.records)
  logger.info(
    {
      backfill: id,
      eventTime: run.watermarkMs === null ? 'none' : formatTime(run.watermarkMs),
      readingsPerSecond: Math.round(recordsPerSecond),
      left: leftMs === undefined ? 'unknown' : formatElapsed(leftMs),
    },
    'backfill',
  )
}
