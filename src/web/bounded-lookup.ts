/**
 * Something that is looked up for each answer and may take long: it is given a limited time, and while one is still
 * under way no other is begun, however often it is asked for.
 */
import type { Clock } from '../clock.ts'

export class BoundedLookup<T> {
  private readonly clock: Clock
  private readonly withinMs: number
  private readonly look: () => Promise<T>
  private underWay: Promise<T> | undefined

  constructor(clock: Clock, withinMs: number, look: () => Promise<T>) {
    this.clock = clock
    this.withinMs = withinMs
    this.look = look
  }

  /** What was found; `undefined` when that failed or takes longer than `withinMs`. */
  ask(): Promise<T | undefined> {
    this.underWay ??= this.look().finally(() => (this.underWay = undefined))
    const { clock, withinMs, underWay } = this
    return new Promise((resolve) => {
      const timer = clock.schedule(withinMs, () => resolve(undefined), { background: true })
      const answer = (found: T | undefined): void => {
        timer.cancel()
        resolve(found)
      }
      underWay.then(answer, () => answer(undefined))
    })
  }
}
