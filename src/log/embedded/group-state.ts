/**
 * The states of a consumer group in its coordinator, as in Kafka.
 *
 * ```
 *            join              all have joined, or time is up             the leader's sync
 *   empty ──────────> preparing ───────────────────────────────> completing ─────────────> stable
 *   │  ^               │  ^  ^                                     │                         │
 *   │  └───────────────┘  │  └─────────────────────────────────────┘                         │
 *   │    nobody is left   └────────── join, leave, expiry, missing sync ─────────────────────┘
 *   v
 *  dead (forgotten)
 * ```
 *
 * `preparing`: members give up their work and join. `completing`: a new generation exists, its work is being handed
 * out. `empty`: no members; offsets and generation remain.
 */
import { assert } from '../../assert.ts'

/** A state of the drawing above. */
export type GroupState = 'empty' | 'preparing' | 'completing' | 'stable' | 'dead'

/** The drawing as a table: which states may follow. */
export const GROUP_TRANSITIONS = {
  empty: ['preparing', 'dead'],
  preparing: ['completing', 'empty'],
  completing: ['preparing', 'stable'],
  stable: ['preparing'],
  dead: [],
} as const satisfies Record<GroupState, readonly GroupState[]>

/** `to`, when the table allows it; a program error else. */
export function transitionGroup(from: GroupState, to: GroupState): GroupState {
  const allowed: readonly GroupState[] = GROUP_TRANSITIONS[from]
  assert(
    allowed.includes(to),
    `a group goes from ${from} to ${allowed.join(' or ') || 'nowhere'}, not to ${to}`,
  )
  return to
}
