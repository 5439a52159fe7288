/**
 * The life of an application on one instance.
 *
 * ```
 *   created ──> starting ──> running ──> stopping ──> stopped
 *      │            │           │            │
 *      │            └───────────┴────────────┴──────> failed
 *      └────────────────────────────────────────────> stopped
 * ```
 *
 * `running` includes rebalances and restores. `stopped` and `failed` are final.
 */
import { AssertionError } from '../assert.ts'

export type AppState = 'created' | 'starting' | 'running' | 'stopping' | 'stopped' | 'failed'

export const APP_TRANSITIONS: Readonly<Record<AppState, readonly AppState[]>> = {
  created: ['starting', 'stopped'],
  starting: ['running', 'stopping', 'failed'],
  running: ['stopping', 'failed'],
  stopping: ['stopped', 'failed'],
  stopped: [],
  failed: [],
}

/** The state after a transition; any transition that is not in the table is a defect. */
export function appTransition(from: AppState, to: AppState): AppState {
  if (!APP_TRANSITIONS[from].includes(to))
    throw new AssertionError(`an application does not go from ${from} to ${to}`)
  return to
}
