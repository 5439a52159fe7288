import { describe, expect, it } from 'vitest'
import { AssertionError } from '../../../src/assert.ts'
import { APP_TRANSITIONS, appTransition, type AppState } from '../../../src/runtime/app-state.ts'

/** The arrows of the drawing. */
const ALLOWED = [
  'created starting',
  'created stopped',
  'starting running',
  'starting stopping',
  'starting failed',
  'running stopping',
  'running failed',
  'stopping stopped',
  'stopping failed',
]
const STATES: readonly AppState[] = ['created', 'starting', 'running', 'stopping', 'stopped', 'failed']
const PAIRS = STATES.flatMap((from) => STATES.map((to) => [from, to] as const))

describe('the state of an application', () => {
  it.each(PAIRS)('from %s to %s goes as drawn', (from, to) => {
    if (ALLOWED.includes(`${from} ${to}`)) expect(appTransition(from, to)).toBe(to)
    else expect(() => appTransition(from, to)).toThrow(AssertionError)
  })

  it('has a row for each state', () => {
    expect(Object.keys(APP_TRANSITIONS).sort()).toEqual([...STATES].sort())
  })
})
