import type { Clock, Timer } from '../clock.ts'

/** A clock for one simulated process: after `kill` nothing that waits on it ever goes on, as after SIGKILL. */
export class MortalClock implements Clock {
  private readonly clock: Clock
  private readonly timers = new Set<Timer>()
  private dead = false

  constructor(clock: Clock) {
    this.clock = clock
  }

  now(): number {
    return this.clock.now()
  }

  monotonic(): number {
    return this.clock.monotonic()
  }

  schedule(delayMs: number, callback: () => void): Timer {
    if (this.dead) return { cancel: () => undefined }
    const timer = this.clock.schedule(delayMs, () => {
      this.timers.delete(timer)
      if (!this.dead) callback()
    })
    this.timers.add(timer)
    return timer
  }

  async yieldNow(): Promise<void> {
    await this.clock.yieldNow()
    if (this.dead) await new Promise(() => undefined)
  }

  kill(): void {
    this.dead = true
    for (const timer of this.timers) timer.cancel()
    this.timers.clear()
  }
}
