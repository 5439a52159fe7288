/**
 * The life of a backfill.
 *
 * ```
 *   planned ──> running ─┐ ──> ran ──> reconciled ─┐ ──> promoting ─┐ ──> promoted ──> rolling-back ─┐ ──> rolled-back
 *                  ^     │                 ^       │        ^       │                       ^        │          │
 *                  └─────┘                 └───────┘        └───────┘                       └────────┘          │
 *                   after a kill            once more        after a kill, or after a canary                    │
 *                                          ^                ^       └──────────────────────>│                   │
 *                                          └────────────────┴──────────────────────────────────────────────────┘
 *
 *   planned, running, ran, reconciled, rolled-back ──> cancelled
 * ```
 *
 * `promoting` may be rolled back as well: what has been promoted so far is undone. What has been published cannot be
 * cancelled, only rolled back. `cancelled` is final.
 */
import { assert } from '../../assert.ts'

/** A state of the drawing above. */
export type BackfillState =
  | 'planned'
  | 'running'
  | 'ran'
  | 'reconciled'
  | 'promoting'
  | 'promoted'
  | 'rolling-back'
  | 'rolled-back'
  | 'cancelled'

/** The drawing as a table: which states may follow. */
export const BACKFILL_TRANSITIONS = {
  planned: ['running', 'cancelled'],
  running: ['running', 'ran', 'cancelled'],
  ran: ['reconciled', 'cancelled'],
  reconciled: ['reconciled', 'promoting', 'cancelled'],
  promoting: ['promoting', 'promoted', 'rolling-back'],
  promoted: ['rolling-back'],
  'rolling-back': ['rolling-back', 'rolled-back'],
  'rolled-back': ['reconciled', 'promoting', 'cancelled'],
  cancelled: [],
} as const satisfies Record<BackfillState, readonly BackfillState[]>

/** Whether the table allows it: to be asked before a command begins, so that it can refuse in words. */
export function canTransition(from: BackfillState, to: BackfillState): boolean {
  const allowed: readonly BackfillState[] = BACKFILL_TRANSITIONS[from]
  return allowed.includes(to)
}

/** `to`, when the table allows it; a program error else. */
export function transition(from: BackfillState, to: BackfillState): BackfillState {
  assert(canTransition(from, to), `a backfill does not go from ${from} to ${to}`)
  return to
}
