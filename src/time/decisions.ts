/**
 * What the wall clock or an operator decided about event time, as recorded in the commit log.
 *
 * Results are a function of the log and of these. A decision names, for every channel of the task, the position (next
 * source position) at which it was taken; a replay as live lets no channel pass its position before all have reached
 * theirs, and then applies the decision. `closedThroughMs` is what the decision had led to when it ended, so that
 * what a replay happens to know beyond these positions closes nothing more.
 */

/** The next position of each channel, by channel number. */
export type Positions = readonly bigint[]

export type Decision =
  /** From here on `channel` is left out: it was silent for the idle time-out. */
  | { readonly kind: 'idle'; readonly channel: number; readonly positions: Positions }
  /** `channel` delivers again and takes part from here on. */
  | ({ readonly kind: 'resumed'; readonly channel: number; readonly positions: Positions } & ClosedBy)
  /** All channels were silent for long: all open windows close here (`closeAfterSilenceMs`). */
  | ({ readonly kind: 'silence'; readonly positions: Positions } & ClosedBy)
  /** Bounded run number `run` ended here with flush: held records are taken, all open windows close. */
  | ({ readonly kind: 'flush'; readonly run: number; readonly positions: Positions } & ClosedBy)

interface ClosedBy {
  /** The task's closed-through time when the decision had been carried out. */
  readonly closedThroughMs: number
}

/**
 * Decisions to be applied again, in order. The next one is a barrier: `holds(channel, position)` tells that a record
 * at `position` (and everything after it on that channel) has to wait; once every channel's position has reached the
 * barrier, `next()` is due.
 */
export class DecisionReplay {
  private readonly decisions: readonly Decision[]
  private index: number

  constructor(decisions: readonly Decision[], appliedCount = 0) {
    this.decisions = decisions
    this.index = appliedCount
  }

  get next(): Decision | undefined {
    return this.decisions[this.index]
  }

  /** Whether a record of `channel` at `position` lies behind the next decision. */
  holds(channel: number, position: bigint): boolean {
    const decision = this.next
    return decision !== undefined && position >= decision.positions[channel]!
  }

  /** Whether every channel, standing at `positionOf(channel)`, has reached the next decision. */
  isDue(positionOf: (channel: number) => bigint): boolean {
    const decision = this.next
    return (
      decision !== undefined &&
      decision.positions.every((position, channel) => positionOf(channel) >= position)
    )
  }

  /** Windows must not close beyond this before the decision that says so: that is how far they had closed by then. */
  get closedThroughLimitMs(): number {
    for (let index = this.index; index < this.decisions.length; index++) {
      const decision = this.decisions[index]!
      if (decision.kind !== 'idle') return decision.closedThroughMs
    }
    return Infinity
  }

  /** How many have been applied, those before this process included. */
  get appliedCount(): number {
    return this.index
  }

  applied(): void {
    this.index++
  }
}
