/**
 * Cancels a backfill: removes what it has made (staging topics, internal topics, group, local state) and keeps its
 * record. What has been published is not touched, and must be rolled back before.
 */
import type { Clock } from '../../clock.ts'
import { FatalError } from '../../errors.ts'
import { planReset, reset } from '../reset.ts'
import { backfillApplicationId, differencesTopic, roundGroup } from './backfill-names.ts'
import { advance, type BackfillRecord } from './backfill-record.ts'
import { canTransition } from './backfill-state.ts'
import { holdBackfill, readBackfill, type BackfillPlace } from './backfill-store.ts'
import { refuseRunning } from './run-backfill.ts'

export interface CancelSpec extends BackfillPlace {
  readonly clock: Clock
  readonly id: string
  /** Where the states of all applications are kept. */
  readonly stateFolder: string
  readonly sessionTimeoutMs: number
  readonly signal: AbortSignal
}

/**
 * Cancels; resolves with the record. Of a backfill that is cancelled already it removes what a kill may have left.
 * `FatalError`: `BACKFILL_STATE` for one that has published, `BACKFILL_RUNNING` while it runs.
 */
export async function cancelBackfill(spec: CancelSpec): Promise<BackfillRecord> {
  const { log, applicationId, id, clock } = spec
  refuseState(await readBackfill(spec, id))
  await refuseRunning(spec, id, spec.sessionTimeoutMs)
  const held = await holdBackfill(spec, id)
  try {
    refuseState(held.record)
    if (held.record.state !== 'cancelled') await held.save(advance(held.record, 'cancelled', clock.now()))
    const own = {
      log,
      applicationId: backfillApplicationId(applicationId, id),
      stateFolder: spec.stateFolder,
    }
    await reset(own, await planReset(own))
    const { plan, rounds } = held.record
    await log.deleteTopics([...plan.outputs.map(({ staged }) => staged), differencesTopic(held.record)])
    for (const { kind, number } of rounds) await log.deleteGroup(roundGroup(held.record, kind, number))
    return held.record
  } finally {
    await held.close()
  }
}

function refuseState({ id, state }: BackfillRecord): void {
  if (state === 'cancelled' || canTransition(state, 'cancelled')) return
  const advice = state === 'rolling-back' ? 'finish the rollback first' : 'roll it back first'
  throw new FatalError('BACKFILL_STATE', `Backfill ${id} is ${state}, so it cannot be cancelled: ${advice}.`)
}
