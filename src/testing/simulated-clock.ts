/** A clock that stands still until it is told to go on. */
import { assert } from '../assert.ts'
import { systemClock, type Clock, type Timer } from '../clock.ts'

interface ScheduledTimer extends Timer {
  readonly dueMs: number
  readonly order: number
  readonly callback: () => void
  cancelled: boolean
}

/**
 * Time as an argument of a test: it passes in `advance` and `runNextTimer` only. Timers run in the order of their
 * due times, those of one moment in the order in which they were set; before and after each, everything that can go
 * on without time passing does so. Real I/O is not waited for.
 */
export class SimulatedClock implements Clock {
  private elapsedMs = 0
  private wallOffsetMs: number
  private order = 0
  private running = false
  /** A binary heap, the next timer first. */
  private readonly timers: ScheduledTimer[] = []
  private turns: (() => void)[] = []

  /** `startMs`: the wall clock at first, default 2024-01-01T00:00:00Z. */
  constructor(startMs = 1_704_067_200_000) {
    this.wallOffsetMs = startMs
  }

  now(): number {
    return Math.floor(this.wallOffsetMs + this.elapsedMs)
  }

  monotonic(): number {
    return this.elapsedMs
  }

  schedule(delayMs: number, callback: () => void): Timer {
    const timer: ScheduledTimer = {
      dueMs: this.elapsedMs + Math.max(0, delayMs),
      order: this.order,
      callback,
      cancelled: false,
      cancel: () => {
        timer.cancelled = true
      },
    }
    this.order += 1
    this.push(timer)
    return timer
  }

  yieldNow(): Promise<void> {
    return new Promise((resolve) => this.turns.push(resolve))
  }

  /** Timers that are set and not called off. */
  get pendingTimers(): number {
    return this.timers.reduce((count, timer) => (timer.cancelled ? count : count + 1), 0)
  }

  /** Milliseconds until the next timer is due; null without timers. */
  get nextTimerInMs(): number | null {
    this.dropCancelled()
    const next = this.timers[0]
    return next === undefined ? null : next.dueMs - this.elapsedMs
  }

  /** Steps the wall clock (not the timers) by `byMs`, backward when negative. */
  stepWallClock(byMs: number): void {
    this.wallOffsetMs += byMs
  }

  /** Lets everything go on that needs no time: promises, and turns asked for with `yieldNow`, again and again. */
  async runUntilIdle(): Promise<void> {
    await this.exclusively(() => this.drain())
  }

  /** Lets `ms` pass. */
  async advance(ms: number): Promise<void> {
    assert(ms >= 0, 'time does not run backward')
    await this.exclusively(async () => {
      const untilMs = this.elapsedMs + ms
      await this.drain()
      while (this.fireNext(untilMs)) await this.drain()
      this.elapsedMs = untilMs
    })
  }

  /** Lets time pass until the next timer has run; false without timers. */
  async runNextTimer(): Promise<boolean> {
    let fired = false
    await this.exclusively(async () => {
      await this.drain()
      fired = this.fireNext(Number.POSITIVE_INFINITY)
      await this.drain()
    })
    return fired
  }

  private async exclusively(action: () => Promise<void>): Promise<void> {
    assert(!this.running, 'the clock is driven from one place at a time')
    this.running = true
    try {
      await action()
    } finally {
      this.running = false
    }
  }

  /** The event loop reaches its next turn only when no promise can go on any more. */
  private async drain(): Promise<void> {
    await systemClock.yieldNow()
    for (let turn = this.turns.shift(); turn !== undefined; turn = this.turns.shift()) {
      turn()
      await systemClock.yieldNow()
    }
  }

  private fireNext(untilMs: number): boolean {
    this.dropCancelled()
    const next = this.timers[0]
    if (next === undefined || next.dueMs > untilMs) return false
    this.pop()
    next.cancelled = true
    this.elapsedMs = Math.max(this.elapsedMs, next.dueMs)
    next.callback()
    return true
  }

  private dropCancelled(): void {
    while (this.timers[0]?.cancelled) this.pop()
  }

  private push(timer: ScheduledTimer): void {
    let at = this.timers.push(timer) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(timer, this.timers[parent]!)) break
      this.timers[at] = this.timers[parent]!
      at = parent
    }
    this.timers[at] = timer
  }

  private pop(): void {
    const last = this.timers.pop()
    if (last === undefined || this.timers.length === 0) return
    let at = 0
    for (;;) {
      let child = at * 2 + 1
      if (child >= this.timers.length) break
      if (child + 1 < this.timers.length && isBefore(this.timers[child + 1]!, this.timers[child]!)) child += 1
      if (!isBefore(this.timers[child]!, last)) break
      this.timers[at] = this.timers[child]!
      at = child
    }
    this.timers[at] = last
  }
}

function isBefore(a: ScheduledTimer, b: ScheduledTimer): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order)
}
