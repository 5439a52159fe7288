import { describe, expect, it } from 'vitest'
import {
  BACKFILL_TRANSITIONS,
  canTransition,
  transition,
  type BackfillState,
} from '../../../../src/jobs/backfill/backfill-state.ts'
import { itTransitionsOnly } from '../../../support/transition-table.ts'

const STATES: readonly BackfillState[] = [
  'planned',
  'running',
  'ran',
  'reconciled',
  'promoting',
  'promoted',
  'rolling-back',
  'rolled-back',
  'cancelled',
]

describe('the state of a backfill', () => {
  itTransitionsOnly(transition, STATES, {
    planned: 'running cancelled',
    running: 'running ran cancelled',
    ran: 'reconciled cancelled',
    reconciled: 'reconciled promoting cancelled',
    promoting: 'promoting promoted rolling-back',
    promoted: 'rolling-back',
    'rolling-back': 'rolling-back rolled-back',
    'rolled-back': 'reconciled promoting cancelled',
    cancelled: '',
  })

  it('has a row for each state, and tells without throwing', () => {
    expect(Object.keys(BACKFILL_TRANSITIONS).sort()).toEqual([...STATES].sort())
    expect(canTransition('planned', 'running')).toBe(true)
    expect(canTransition('ran', 'running')).toBe(false)
  })
})
