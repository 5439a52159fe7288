import type { Log } from '../../log/log.ts'
import { readStatus } from '../../runtime/status.ts'
import { backfillApplicationId } from './backfill-names.ts'
import type { BackfillRecord, RunProgress } from './backfill-record.ts'

/** What the run of a backfill has committed so far, whoever worked it. */
export async function readRunCounts(
  log: Log,
  { id, applicationId, plan }: BackfillRecord,
): Promise<
  Pick<
    RunProgress,
    'position' | 'consumed' | 'passedOver' | 'late' | 'deadLetters' | 'skipped' | 'withheld' | 'watermarkMs'
  >
> {
  const { tasks } = await readStatus(log, backfillApplicationId(applicationId, id))
  const from = new Map(
    plan.sources.map(({ topic, partition, fromOffset }) => [`${topic}/${partition}`, BigInt(fromOffset)]),
  )
  const readers = tasks.filter(({ inputs }) =>
    inputs.some(({ topic, partition }) => from.has(`${topic}/${partition}`)),
  )
  const total = (name: string, over = tasks): number =>
    over.reduce((sum, { counts }) => sum + (counts[name] ?? 0), 0)
  const position = readers
    .flatMap(({ inputs }) => inputs)
    .reduce((sum, { topic, partition, position: at }) => {
      const start = from.get(`${topic}/${partition}`)
      return start === undefined || at < start ? sum : sum + Number(at - start)
    }, 0)
  const watermarkMs = Math.min(...readers.map((task) => task.watermarkMs))
  return {
    position,
    consumed: total('consumed', readers),
    passedOver: total('passedOver'),
    late: total('late'),
    deadLetters: total('deadLetters'),
    skipped: total('skipped'),
    withheld: total('withheld'),
    watermarkMs: Number.isFinite(watermarkMs) ? watermarkMs : null,
  }
}
