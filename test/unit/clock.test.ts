import { describe, expect, it } from 'vitest'
import { sleep, systemClock, systemRandom } from '../../src/clock.ts'
import { SimulatedClock } from '../../src/testing/simulated-clock.ts'

/** Whether a promise is done once everything has gone on that needs no time. */
async function isDone(clock: SimulatedClock, promise: Promise<unknown>): Promise<boolean> {
  let done = false
  void promise.then(() => (done = true))
  await clock.runUntilIdle()
  return done
}

describe('sleep', () => {
  it('ends when its time has passed, and not before', async () => {
    const clock = new SimulatedClock()
    const asleep = sleep(clock, 100)
    await clock.advance(99)
    expect(await isDone(clock, asleep)).toBe(false)
    await clock.advance(1)
    expect(await isDone(clock, asleep)).toBe(true)
  })

  it('ends at once when it is called off, and leaves no timer behind', async () => {
    const clock = new SimulatedClock()
    const abort = new AbortController()
    const asleep = sleep(clock, 100, abort.signal)
    expect(await isDone(clock, asleep)).toBe(false)
    abort.abort()
    expect(await isDone(clock, asleep)).toBe(true)
    expect(clock.pendingTimers).toBe(0)
  })

  it('does not begin when it was called off before', async () => {
    const clock = new SimulatedClock()
    expect(await isDone(clock, sleep(clock, 100, AbortSignal.abort()))).toBe(true)
    expect(clock.pendingTimers).toBe(0)
  })

  it('may be called off after it ended', async () => {
    const clock = new SimulatedClock()
    const abort = new AbortController()
    const asleep = sleep(clock, 1, abort.signal)
    await clock.advance(1)
    abort.abort()
    expect(await isDone(clock, asleep)).toBe(true)
  })
})

describe('the clock of the machine', () => {
  it('tells the time of day and a time that never steps backward', () => {
    expect(Number.isInteger(systemClock.now())).toBe(true)
    expect(systemClock.now()).toBeGreaterThan(1_704_067_200_000)
    const [first, second] = [systemClock.monotonic(), systemClock.monotonic()]
    expect(second).toBeGreaterThanOrEqual(first)
  })

  it('calls back once, unless it is called off', async () => {
    const calls: string[] = []
    const cancelled = systemClock.schedule(0, () => calls.push('cancelled'))
    cancelled.cancel()
    cancelled.cancel()
    await new Promise<void>((resolve) => {
      const timer = systemClock.schedule(1, () => {
        calls.push('kept')
        timer.cancel()
        resolve()
      })
    })
    expect(calls).toEqual(['kept'])
  })

  it('does not call back at once for a delay that is longer than timers of the machine can be', async () => {
    const called: number[] = []
    const timers = [2 ** 31, Infinity].map((delayMs) =>
      systemClock.schedule(delayMs, () => called.push(delayMs), { background: true }),
    )
    await new Promise<void>((resolve) => void systemClock.schedule(10, resolve))
    for (const timer of timers) timer.cancel()
    expect(called).toEqual([])
  })

  it('gives way to what else is to be done', async () => {
    const order: string[] = []
    setImmediate(() => order.push('other'))
    await systemClock.yieldNow()
    order.push('own')
    expect(order).toEqual(['other', 'own'])
  })
})

describe('the chance of the machine', () => {
  it('draws ids, bytes and fractions', () => {
    expect(systemRandom.uuid()).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
    expect(systemRandom.uuid()).not.toBe(systemRandom.uuid())
    expect(systemRandom.bytes(16)).toHaveLength(16)
    const fraction = systemRandom.fraction()
    expect(fraction >= 0 && fraction < 1).toBe(true)
  })
})
