/** When a backfill may be promoted or rolled back; all other times are refused in words. */
import { FatalError } from '../../errors.ts'
import type { BackfillRecord } from '../backfill/backfill-record.ts'

/** What a promotion lets pass. */
export interface PromotionGate {
  /** Largest share of the compared results, in [0, 1], that may differ. Default 1. */
  readonly maxChanged?: number | undefined
  /** Promote although invariants do not hold. Default no. */
  readonly despiteViolations?: boolean
}

/** Refuses a promotion by the state of the backfill, by what its comparison found, and by the gate. */
export function refusePromotion(
  record: BackfillRecord,
  { maxChanged = 1, despiteViolations = false }: PromotionGate,
): void {
  const { id, state, reconciliation } = record
  const isAllowed = state === 'reconciled' || state === 'promoting' || state === 'rolled-back'
  if (!isAllowed) throw notPromotable(record)
  if (reconciliation === null) throw notPromotable({ ...record, state: 'ran' })
  const { match, within, changed, missing, extra, violations } = reconciliation
  const differences = changed + missing + extra
  const compared = match + within + differences
  const share = compared === 0 ? 0 : differences / compared
  if (share > maxChanged) {
    throw new FatalError(
      'TOO_MANY_CHANGES',
      `${differences} of ${compared} compared results of ${id} differ (${percent(share)}), and at most ` +
        `${percent(maxChanged)} may. Nothing was written.`,
    )
  }
  if (violations.length > 0 && !despiteViolations) {
    throw new FatalError(
      'INVARIANTS_VIOLATED',
      `The staged results of ${id} are not sound, so they are not promoted. Nothing was written.\n` +
        violations.map((violation) => `  - ${violation}`).join('\n'),
    )
  }
}

function notPromotable({ id, state, rounds }: BackfillRecord): FatalError {
  switch (state) {
    case 'promoted': {
      const { number = 0, planned = 0 } = rounds.at(-1) ?? {}
      return new FatalError(
        'BACKFILL_PROMOTED',
        `Backfill ${id} is promoted already (round ${number}, ${planned} keys). Nothing was written.`,
      )
    }
    case 'rolling-back':
      return new FatalError(
        'BACKFILL_ROLLING_BACK',
        `A rollback of ${id} has begun and not ended. First: millrace backfill rollback ${id}`,
      )
    case 'cancelled':
      return new FatalError('BACKFILL_CANCELLED', `Backfill ${id} was cancelled. Nothing was written.`)
    default:
      return new FatalError(
        'BACKFILL_NOT_RECONCILED',
        `Backfill ${id} is ${state}: its results have not been compared with the published ones. ` +
          `First: millrace backfill ${state === 'ran' ? 'reconcile' : 'run'} ${id}`,
      )
  }
}

/** Refuses a rollback where nothing is promoted. */
export function refuseRollback({ id, state }: BackfillRecord): void {
  if (state === 'promoting' || state === 'promoted' || state === 'rolling-back') return
  if (state === 'rolled-back') {
    throw new FatalError(
      'BACKFILL_ROLLED_BACK',
      `Backfill ${id} is rolled back already. Nothing was written.`,
    )
  }
  throw new FatalError(
    'BACKFILL_NOT_PROMOTED',
    `Backfill ${id} is ${state} and was never promoted: there is nothing to roll back.`,
  )
}

function percent(share: number): string {
  return `${Number((share * 100).toPrecision(3))} %`
}
