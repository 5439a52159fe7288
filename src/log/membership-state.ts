/**
 * The states of a group member.
 *
 * ```
 *                 JoinGroup answered        assignment here            onAssigned done
 *   joining ─────────────────────> syncing ───────────────> assigning ────────────────> stable
 *    │ ^  ^                          │                         │                          │
 *    │ │  └── rebalance, unknown ────┘                         │        rebalance         │
 *    │ │                                                       └───────────┬──────────────┤
 *    │ │            onRevoked done                                         v              │
 *    │ ├───────────────────────────────────────────────────────────── revoking <──────────┤
 *    │ │              onLost done                                                         │
 *    │ └────────────────────────────────────────────── losing <── expelled ───────────────┘ (also assigning)
 *    │
 *    └─> left, failed: from every state; both are final
 * ```
 *
 * `joining`: owns nothing, waits for the others. `syncing`: a new generation, the assignment is awaited (the leader
 * makes it). `assigning`: owns its assignment, `onAssigned` runs. `revoking`, `losing`: `onRevoked`, `onLost` runs.
 */
import { assert } from '../assert.ts'

/** A state of the drawing above. */
export type MembershipState =
  'joining' | 'syncing' | 'assigning' | 'stable' | 'revoking' | 'losing' | 'left' | 'failed'

/** The drawing as a table: which states may follow. */
export const MEMBERSHIP_TRANSITIONS = {
  joining: ['syncing', 'left', 'failed'],
  syncing: ['assigning', 'joining', 'left', 'failed'],
  assigning: ['stable', 'revoking', 'losing', 'left', 'failed'],
  stable: ['revoking', 'losing', 'left', 'failed'],
  revoking: ['joining', 'left', 'failed'],
  losing: ['joining', 'left', 'failed'],
  left: [],
  failed: [],
} as const satisfies Record<MembershipState, readonly MembershipState[]>

/** `to`, when the table allows it; a program error else. */
export function transitionMembership(from: MembershipState, to: MembershipState): MembershipState {
  const allowed: readonly MembershipState[] = MEMBERSHIP_TRANSITIONS[from]
  assert(
    allowed.includes(to),
    `a member goes from ${from} to ${allowed.join(' or ') || 'nowhere'}, not to ${to}`,
  )
  return to
}
