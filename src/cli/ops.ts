/** The ops endpoint of `millrace run`: opened where `--http` asks for it. */
import { codeOf, messageOf } from '../errors.ts'
import type { Log } from '../log/log.ts'
import { DUPLICATES } from '../sensors/deduplicate.ts'
import { ownCount } from '../web/metric-table.ts'
import type { ObservedApp } from '../web/observed-app.ts'
import type { OpsEndpoint } from '../web/ops-endpoint.ts'
import type { CommandContext } from './command.ts'
import { instanceSizes, sumOfSizes } from './state-folder.ts'

/** What the aggregator counts besides the engine. */
export const SENSOR_COUNTS = [
  ownCount(DUPLICATES, 'records_duplicate_total', 'Records whose event id had been seen; not counted again.'),
]

/** Opens it and logs where; `undefined` without `--http`. `FatalError` `HTTP_ADDRESS_UNUSABLE`. */
export async function openOps({ settings, clock, logger }: CommandContext): Promise<OpsEndpoint | undefined> {
  if (settings.http === undefined) return undefined
  // Loaded only here: every other command would start a twentieth of a second later.
  const { OpsEndpoint: Endpoint } = await import('../web/ops-endpoint.ts')
  const endpoint = await Endpoint.open({
    ...settings.http,
    clock,
    ownCounts: SENSOR_COUNTS,
    onFailure: (error) => {
      logger.warn(
        { code: codeOf(error, 'UNKNOWN'), reason: messageOf(error) },
        'the ops endpoint had a failure',
      )
    },
  })
  logger.info({ address: endpoint.origin }, 'serving /metrics, /health/live and /health/ready')
  return endpoint
}

/** The application as the endpoint sees it. */
export function observedApp(app: ObservedApp['app'], log: Log, stateFolders: readonly string[]): ObservedApp {
  return {
    app,
    endOffsets: (partitions) => log.offsets('end', partitions),
    stateBytes: async () => sumOfSizes(await Promise.all(stateFolders.map(instanceSizes))),
  }
}
