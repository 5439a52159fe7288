/** Lets a client die in the middle of everything, as a killed process does. */
import type { Clock, Timer } from '../../clock.ts'
import { callMethod, connectionThrough, type BrokerConnection } from './broker-connection.ts'

/**
 * Everything a client does goes through its lifeline's clock and connection. After `kill` no timer is left, nothing
 * reaches the broker any more, and no promise handed out settles.
 */
export class Lifeline {
  readonly clock: Clock
  readonly connection: BrokerConnection
  private readonly timers = new Set<Timer>()
  private dead = false

  constructor(clock: Clock, connection: BrokerConnection) {
    this.clock = {
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      schedule: (delayMs, callback, options) => this.schedule(clock, delayMs, callback, options),
      yieldNow: () => this.run(() => clock.yieldNow()),
    }
    this.connection = connectionThrough((method, args) => {
      return this.run(() => callMethod(connection, method, args))
    })
  }

  get killed(): boolean {
    return this.dead
  }

  kill(): void {
    this.dead = true
    for (const timer of this.timers) timer.cancel()
    this.timers.clear()
  }

  /** What `work` comes to, unless the client is killed before: then nothing ever. */
  run<T>(work: () => Promise<T>): Promise<T> {
    if (this.dead) return new Promise(() => undefined)
    return new Promise((resolve, reject) => {
      work().then(
        (value) => this.dead || resolve(value),
        (error: unknown) => this.dead || reject(error instanceof Error ? error : new Error(String(error))),
      )
    })
  }

  private schedule(
    clock: Clock,
    delayMs: number,
    callback: () => void,
    options?: { background?: boolean },
  ): Timer {
    if (this.dead) return { cancel: () => undefined }
    const inner = clock.schedule(
      delayMs,
      () => {
        this.timers.delete(timer)
        callback()
      },
      options,
    )
    const timer: Timer = {
      cancel: () => {
        this.timers.delete(timer)
        inner.cancel()
      },
    }
    this.timers.add(timer)
    return timer
  }
}
