/**
 * The life of a task.
 *
 * ```
 *   created ──> restoring ──> running <──> suspended
 *      │            │            │             │
 *      └────────────┴────────────┴─────────────┴──> closed
 * ```
 *
 * `suspended`: a rebalance is under way; everything is committed, nothing is worked, memory is kept in case the task
 * comes back. `closed` is final: a task that comes back later is a new one.
 */
import { AssertionError } from '../assert.ts'

export type TaskState = 'created' | 'restoring' | 'running' | 'suspended' | 'closed'

export const TASK_TRANSITIONS: Readonly<Record<TaskState, readonly TaskState[]>> = {
  created: ['restoring', 'closed'],
  restoring: ['running', 'closed'],
  running: ['suspended', 'closed'],
  suspended: ['running', 'closed'],
  closed: [],
}

/** The state after a transition; any transition that is not in the table is a defect. */
export function transition(task: string, from: TaskState, to: TaskState): TaskState {
  if (!TASK_TRANSITIONS[from].includes(to)) {
    throw new AssertionError(`task ${task} does not go from ${from} to ${to}`)
  }
  return to
}
