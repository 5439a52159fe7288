import { describe, expect, it } from 'vitest'
import { AssertionError } from '../../../src/assert.ts'
import { TASK_TRANSITIONS, transition, type TaskState } from '../../../src/runtime/task-state.ts'

/** The arrows of the drawing. */
const ALLOWED = [
  'created restoring',
  'created closed',
  'restoring running',
  'restoring closed',
  'running suspended',
  'running closed',
  'suspended running',
  'suspended closed',
]
const STATES: readonly TaskState[] = ['created', 'restoring', 'running', 'suspended', 'closed']
const PAIRS = STATES.flatMap((from) => STATES.map((to) => [from, to] as const))

describe('the state of a task', () => {
  it.each(PAIRS)('from %s to %s goes as drawn', (from, to) => {
    if (ALLOWED.includes(`${from} ${to}`)) expect(transition('0_1', from, to)).toBe(to)
    else expect(() => transition('0_1', from, to)).toThrow(AssertionError)
  })

  it('names the task that went wrong', () => {
    expect(() => transition('0_1', 'closed', 'running')).toThrow(
      'task 0_1 does not go from closed to running',
    )
  })

  it('has a row for each state', () => {
    expect(Object.keys(TASK_TRANSITIONS).sort()).toEqual([...STATES].sort())
  })
})
