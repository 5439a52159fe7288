/** An engine that knows whether it is at work, so that simulated time can wait for a real disk. */
import { systemClock } from '../../src/clock.ts'
import type { Engine } from '../../src/log/embedded/engine.ts'

export interface CountingEngine extends Engine {
  /** Resolves when nothing is under way, and nothing followed from what was. */
  idle(): Promise<void>
}

export function countingEngine(engine: Engine): CountingEngine {
  let pending = 0
  let begun = 0
  const counted = async <T>(work: Promise<T>): Promise<T> => {
    pending += 1
    begun += 1
    try {
      return await work
    } finally {
      pending -= 1
    }
  }
  return {
    write: (ops, options) => counted(engine.write(ops, options)),
    get: (key) => counted(engine.get(key)),
    getMany: (keys) => counted(engine.getMany(keys)),
    scan: (range) => counted(engine.scan(range)),
    reclaim: (from, to) => counted(engine.reclaim(from, to)),
    close: () => engine.close(),
    async idle() {
      for (let seen = -1; seen !== begun;) {
        seen = begun
        do await systemClock.yieldNow()
        while (pending > 0)
      }
    },
  }
}
