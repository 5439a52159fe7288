/**
 * One process of a simulated cluster: its own sight of the clock, which can stop (SIGSTOP) and end (SIGKILL).
 *
 * Whatever waits on a stopped process goes on when it is continued, as if no time had passed for it; whatever waits on
 * a killed one never goes on.
 */
import type { Clock, Timer } from '../../src/clock.ts'

export class SimulatedProcess implements Clock {
  private readonly clock: Clock
  private readonly timers = new Set<Timer>()
  private state: 'running' | 'stopped' | 'killed' = 'running'
  private resume: (() => void)[] = []

  constructor(clock: Clock) {
    this.clock = clock
  }

  get isAlive(): boolean {
    return this.state !== 'killed'
  }

  now(): number {
    return this.clock.now()
  }

  monotonic(): number {
    return this.clock.monotonic()
  }

  schedule(delayMs: number, callback: () => void): Timer {
    if (this.state === 'killed') return { cancel: () => undefined }
    let cancelled = false
    const inner = this.clock.schedule(delayMs, () => {
      this.timers.delete(timer)
      this.whenRunning(() => {
        if (!cancelled) callback()
      })
    })
    const timer: Timer = {
      cancel: () => {
        cancelled = true
        inner.cancel()
      },
    }
    this.timers.add(timer)
    return timer
  }

  async yieldNow(): Promise<void> {
    await this.clock.yieldNow()
    await this.gate()
  }

  /** Resolves when the process may go on: at once, when it is continued, or never. */
  gate(): Promise<void> {
    if (this.state === 'running') return Promise.resolve()
    return new Promise((resolve) => this.whenRunning(resolve))
  }

  stop(): void {
    if (this.state === 'running') this.state = 'stopped'
  }

  continue(): void {
    if (this.state !== 'stopped') return
    this.state = 'running'
    for (const go of this.resume.splice(0)) go()
  }

  kill(): void {
    this.state = 'killed'
    this.resume = []
    for (const timer of this.timers) timer.cancel()
    this.timers.clear()
  }

  private whenRunning(go: () => void): void {
    if (this.state === 'running') go()
    else if (this.state === 'stopped') this.resume.push(go)
  }
}
