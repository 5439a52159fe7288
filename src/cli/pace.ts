/** Keeps a rate: how many are due by now. */
import type { Clock } from '../clock.ts'

/** A pause longer than this is not made up for: the rest of it is forgotten. */
const BACKLOG_MS_MAX = 10_000

/** Counts what is due at a steady rate from the moment it is made. */
export class Pace {
  private readonly clock: Clock
  private readonly perMs: number
  private sinceMs: number
  private taken = 0

  /** `perSecond`: above 0. */
  constructor(clock: Clock, perSecond: number) {
    this.clock = clock
    this.perMs = perSecond / 1000
    this.sinceMs = clock.monotonic()
  }

  /** How many more are due now; the first one at once. They count as taken. */
  due(): number {
    const nowMs = this.clock.monotonic()
    const behindMs = nowMs - this.sinceMs - this.taken / this.perMs
    if (behindMs > BACKLOG_MS_MAX) this.sinceMs += behindMs - BACKLOG_MS_MAX
    const count = Math.floor((nowMs - this.sinceMs) * this.perMs) + 1 - this.taken
    this.taken += Math.max(0, count)
    return Math.max(0, count)
  }

  /** Milliseconds until the next one is due; 0 when one is. */
  waitMs(): number {
    return Math.max(0, this.sinceMs + this.taken / this.perMs - this.clock.monotonic())
  }
}
