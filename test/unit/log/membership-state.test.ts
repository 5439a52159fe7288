import { describe, expect, it } from 'vitest'
import { MEMBERSHIP_TRANSITIONS, transitionMembership } from '../../../src/log/membership-state.ts'
import { itTransitionsOnly } from '../../support/transition-table.ts'

describe('the states of a group member', () => {
  const states = [
    'joining',
    'syncing',
    'assigning',
    'stable',
    'revoking',
    'losing',
    'left',
    'failed',
  ] as const
  it('are all in the table', () => expect(Object.keys(MEMBERSHIP_TRANSITIONS)).toEqual(states))
  itTransitionsOnly(transitionMembership, states, {
    joining: 'syncing left failed',
    syncing: 'assigning joining left failed',
    assigning: 'stable revoking losing left failed',
    stable: 'revoking losing left failed',
    revoking: 'joining left failed',
    losing: 'joining left failed',
    left: '',
    failed: '',
  })
})
