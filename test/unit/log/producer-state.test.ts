import { describe, expect, it } from 'vitest'
import { PRODUCER_TRANSITIONS, transitionProducer } from '../../../src/log/producer-state.ts'
import { itTransitionsOnly } from '../../support/transition-table.ts'

describe('the states of a transactional producer', () => {
  const states = ['idle', 'open', 'broken', 'ending', 'dead', 'closed'] as const
  it('are all in the table', () => expect(Object.keys(PRODUCER_TRANSITIONS)).toEqual(states))
  itTransitionsOnly(transitionProducer, states, {
    idle: 'open dead closed',
    open: 'broken ending dead closed',
    broken: 'ending dead closed',
    ending: 'idle broken dead closed',
    dead: 'closed',
    closed: '',
  })
})
