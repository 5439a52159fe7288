import { describe, expect, it } from 'vitest'
import { GROUP_TRANSITIONS, transitionGroup } from '../../../../src/log/embedded/group-state.ts'
import { itTransitionsOnly } from '../../../support/transition-table.ts'

describe('the states of a consumer group', () => {
  const states = ['empty', 'preparing', 'completing', 'stable', 'dead'] as const
  it('are all in the table', () => expect(Object.keys(GROUP_TRANSITIONS)).toEqual(states))
  itTransitionsOnly(transitionGroup, states, {
    empty: 'preparing dead',
    preparing: 'completing empty',
    completing: 'preparing stable',
    stable: 'preparing',
    dead: '',
  })
})
