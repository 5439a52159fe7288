import type { Clock } from '../clock.ts'
import type { ProcessOutcome, StreamTask } from './task.ts'

/** What may gather while nothing is taken, as time at the full rate: small, so that the rate is even. */
const BURST_MS = 100
/** How often is looked again while it is held. */
const HELD_WAIT_MS = 50

/** How many records may be worked now, so that a rate is kept; and a brake. */
export class RateLimit {
  /** While set, nothing may be worked. */
  held = false
  private readonly clock: Clock
  private perMs: number
  private sinceMs: number
  private allowance = 0

  /** `perSecond`: above 0; `Infinity` for no limit but the brake. */
  constructor(clock: Clock, perSecond: number) {
    this.clock = clock
    this.perMs = perSecond / 1000
    this.sinceMs = clock.monotonic()
  }

  /** How many may be worked now, in whole records. */
  available(): number {
    this.accrue()
    if (this.held) return 0
    return this.perMs === Infinity ? Infinity : Math.max(0, Math.floor(this.allowance))
  }

  /** So many have been worked; a few more than were available are made up for later. */
  took(count: number): void {
    if (this.perMs !== Infinity) this.allowance -= count
  }

  /** Milliseconds until something may be worked; at least 1, `Infinity` when it may already. */
  waitMs(): number {
    if (this.available() > 0) return Infinity
    if (this.held) return HELD_WAIT_MS
    return Math.max(1, Math.ceil((1 - this.allowance) / this.perMs))
  }

  private accrue(): void {
    const nowMs = this.clock.monotonic()
    const most = Math.max(1, this.perMs * BURST_MS)
    if (this.perMs !== Infinity)
      this.allowance = Math.min(most, this.allowance + (nowMs - this.sinceMs) * this.perMs)
    this.sinceMs = nowMs
  }
}

/** Lets a task work up to `budget` records, or, where it has sources, as many of them as the limit allows. */
export function workWithin(
  limit: RateLimit | undefined,
  task: StreamTask,
  budget: number,
): ProcessOutcome | 'limited' {
  if (limit === undefined || task.parts.built.sources.size === 0) return task.process(budget)
  const allowed = Math.min(budget, limit.available())
  if (allowed === 0) return 'limited'
  const before = task.worked
  const outcome = task.process(allowed)
  limit.took(task.worked - before)
  return outcome
}
