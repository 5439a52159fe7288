/**
 * The states of a transactional producer.
 *
 * ```
 *           begin          commit, abort           done
 *   idle ──────────> open ────────────────> ending ─────> idle
 *                     │                     ^   │
 *                     │ AbortableError      │   │ AbortableError, or the abort could not be told
 *                     v              abort  │   │
 *                  broken ──────────────────┘   │
 *                     ^─────────────────────────┘
 *
 *   any of them ── FencedError, FatalError, UnknownOutcomeError ──> dead ── close ──> closed
 * ```
 *
 * `broken`: the transaction can only be aborted. `dead`: the producer can only be closed.
 */
import { assert } from '../assert.ts'

/** A state of the drawing above. */
export type ProducerState = 'idle' | 'open' | 'broken' | 'ending' | 'dead' | 'closed'

/** The drawing as a table: which states may follow. */
export const PRODUCER_TRANSITIONS = {
  idle: ['open', 'dead', 'closed'],
  open: ['broken', 'ending', 'dead', 'closed'],
  broken: ['ending', 'dead', 'closed'],
  ending: ['idle', 'broken', 'dead', 'closed'],
  dead: ['closed'],
  closed: [],
} as const satisfies Record<ProducerState, readonly ProducerState[]>

/** `to`, when the table allows it; a program error else. */
export function transitionProducer(from: ProducerState, to: ProducerState): ProducerState {
  const allowed: readonly ProducerState[] = PRODUCER_TRANSITIONS[from]
  assert(
    allowed.includes(to),
    `a producer goes from ${from} to ${allowed.join(' or ') || 'nowhere'}, not to ${to}`,
  )
  return to
}
