/** `millrace backfill plan`: what a backfill would read and promise. */
import { statfs } from 'node:fs/promises'
import { ConfigError } from '../errors.ts'
import { planBackfill } from '../jobs/backfill/plan-backfill.ts'
import { sensorTopology } from '../sensors/sensor-topology.ts'
import { AGGREGATOR_SETTINGS, aggregatorProblems, configOf, topologyOptions } from './aggregator.ts'
import { plannedSettings } from './backfill-settings.ts'
import { tellPlan } from './backfill-text.ts'
import type { Command, CommandContext } from './command.ts'
import { EXIT } from './failure.ts'
import { formatProblems, openSensorSerdes } from './value-format.ts'

/** The command. */
export const backfillPlanCommand: Command = {
  name: 'backfill plan',
  summary: 'says what a backfill would read, and keeps that as its plan',
  description:
    'Finds out what has to be read so that the results of a range can be computed again, how long that takes and ' +
    'which of them can be trusted. Writes the plan under an id, and nothing else. Settings of the aggregator must ' +
    'be those of the running application; others make another version of it, to be compared.',
  settings: [
    'rangeFrom',
    'rangeTo',
    'lateMode',
    'keys',
    'rate',
    'id',
    ...AGGREGATOR_SETTINGS,
    'registry',
    'valueFormat',
  ],
  examples: [
    'millrace backfill plan --from 2024-01-01T06:00:00Z --to 2024-01-01T18:00:00Z --window 5m --grace 30s',
    'millrace backfill plan --from 2024-01-01 --to 2024-01-02 --late include --keys s1,s2 --id repair-1',
  ],
  check(settings) {
    const { rangeFrom, rangeTo } = settings.values
    const problems = [...aggregatorProblems(settings), ...formatProblems(settings)]
    if (rangeFrom === undefined || rangeTo === undefined) {
      problems.push('a backfill needs a range: --from TIME --to TIME')
    } else if (rangeFrom >= rangeTo) {
      problems.push('the range is empty: --to must be after --from')
    }
    return problems
  },
  async run(context) {
    const { settings, terminal, clock, directories } = context
    const { rangeFrom, rangeTo } = settings
    if (rangeFrom === undefined || rangeTo === undefined) throw new ConfigError(['a backfill needs a range'])
    const log = await context.openLog('existing')
    const serdes = await openSensorSerdes(context)
    const record = await planBackfill({
      log,
      applicationId: settings.applicationId,
      clock,
      request: {
        id: settings.id ?? idAt(clock.now()),
        range: { fromMs: rangeFrom, toMs: rangeTo },
        late: settings.lateMode,
        keys: settings.keys ?? null,
        ratePerSecond: settings.rate ?? null,
      },
      topology: sensorTopology(topologyOptions(settings), serdes),
      config: configOf(settings),
      settings: plannedSettings(settings),
      freeBytes: settings.log === 'embedded' ? await freeBytesIn(directories.data) : undefined,
    })
    if (terminal.json) await terminal.data(`${JSON.stringify(record)}\n`)
    tellPlan(record, terminal)
    terminal.say()
    terminal.say(`Nothing else was written. Next: millrace backfill run ${record.id}`)
    return EXIT.done
  },
}

/** `b20240101t060000`. */
function idAt(nowMs: number): string {
  const digits = new Date(nowMs).toISOString().replaceAll(/[-:]/g, '').slice(0, 15)
  return `b${digits.toLowerCase()}`
}

async function freeBytesIn(folder: CommandContext['directories']['data']): Promise<number | undefined> {
  try {
    const { bavail, bsize } = await statfs(folder)
    return bavail * bsize
  } catch {
    return undefined
  }
}
