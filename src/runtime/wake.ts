import type { Clock, Timer } from '../clock.ts'

/** Lets a loop sleep until a time has passed or somebody wakes it. A call of `signal` between two waits is kept. */
export class Wake {
  private readonly clock: Clock
  private signalled = false
  private resolve: (() => void) | undefined

  constructor(clock: Clock) {
    this.clock = clock
  }

  signal(): void {
    this.signalled = true
    this.resolve?.()
  }

  /** Resolves when signalled, or after `timeoutMs`. */
  async wait(timeoutMs: number): Promise<void> {
    if (!this.signalled) {
      let timer: Timer | undefined
      await new Promise<void>((resolve) => {
        this.resolve = resolve
        timer = this.clock.schedule(timeoutMs, resolve)
      })
      timer?.cancel()
      this.resolve = undefined
    }
    this.signalled = false
  }
}
