/** Whether no reading got lost or counted twice: what a backfill has read against what its results have counted. */
import { backfillApplicationId } from '../jobs/backfill/backfill-names.ts'
import type { BackfillRecord } from '../jobs/backfill/backfill-record.ts'
import type { StagedResult } from '../jobs/reconciliation/result-format.ts'
import type { Log } from '../log/log.ts'
import { readStatus } from '../runtime/status.ts'
import { DUPLICATES } from '../sensors/deduplicate.ts'
import { formatCount } from './text.ts'

/** Adds up what the staged results have counted. */
export class Conservation {
  private counted = 0

  add({ fields }: StagedResult): void {
    const { count } = fields
    if (typeof count === 'number') this.counted += count
  }

  /**
   * What does not hold, as sentences: readings = counted + late + duplicates + dead letters + passed over, where
   * results outside the range and open windows hold the rest. Nothing is said where that cannot be known: overlapping
   * windows count a reading several times, a savepoint brings readings of its own.
   */
  async problems(log: Log, record: BackfillRecord): Promise<readonly string[]> {
    const { applicationId, id, plan } = record
    const { window, advance } = plan.settings
    if (plan.savepoint !== null || (typeof advance === 'number' && advance !== window)) return []
    const { tasks } = await readStatus(log, backfillApplicationId(applicationId, id))
    if (tasks.length === 0) return []
    const total = (name: string, of = tasks): number =>
      of.reduce((sum, { counts }) => sum + (counts[name] ?? 0), 0)
    const readings = total(
      'consumed',
      tasks.filter(({ task }) => task.startsWith('0_')),
    )
    const others = ['late', DUPLICATES, 'deadLetters', 'skipped', 'passedOver']
    const left = readings - others.reduce((sum, name) => sum + total(name), 0)
    const openWindows = tasks.reduce((sum, task) => sum + task.openWindows, 0)
    const isWhole = total('withheld') === 0 && openWindows === 0
    if (this.counted === left || (this.counted < left && !isWhole)) return []
    return [
      `readings = counted + late + duplicates + dead letters: of ${formatCount(readings)} readings ` +
        `${formatCount(left)} are left to be counted, and the staged results have counted ${formatCount(this.counted)}`,
    ]
  }
}
