/**
 * A process that reconciles, promotes or rolls back a backfill, in small transactions, unless it is killed before.
 *
 *     node dist/test/support/killed-publishing.js <folder> <id> <reconcile|promote|rollback> [<point> <occurrence>]
 */
import { systemClock } from '../../src/clock.ts'
import { promoteBackfill, rollbackBackfill } from '../../src/jobs/promotion/promote-backfill.ts'
import { reconcileBackfill } from '../../src/jobs/reconciliation/reconcile-backfill.ts'
import { JSON_SENSOR_SERDES } from '../../src/sensors/sensor-serdes.ts'
import { aggregateFormat } from '../../src/cli/staged-results.ts'
import { readBackfill } from '../../src/jobs/backfill/backfill-store.ts'
import { killingLog, type ProducerPoint } from './killing-log.ts'
import { openLogIn } from './staged-backfill.ts'

const [folder, id, step, point, occurrence] = process.argv.slice(2) as [
  string,
  string,
  string,
  string?,
  string?,
]
const inner = await openLogIn(folder)
const log = killingLog(inner, point as ProducerPoint | undefined, Number(occurrence ?? 1))
const place = { log, applicationId: 'sensors' }
const options = { clock: systemClock, limits: { differences: 100, bytes: 1_000_000 } }
if (step === 'reconcile') {
  const format = aggregateFormat(await readBackfill(place, id), JSON_SENSOR_SERDES, undefined)
  await reconcileBackfill(place, id, {
    clock: systemClock,
    format,
    tolerances: new Map(),
    budgetBytes: 200_000,
  })
} else if (step === 'promote') await promoteBackfill(place, id, options)
else await rollbackBackfill(place, id, options)
await inner.close()
