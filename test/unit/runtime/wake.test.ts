import { describe, expect, it } from 'vitest'
import { Wake } from '../../../src/runtime/wake.ts'
import { SimulatedClock } from '../../../src/testing/simulated-clock.ts'

/** Begins to wait; tells when it is over. */
function waiting(wake: Wake, timeoutMs: number): { readonly over: boolean } {
  const state = { over: false }
  void wake.wait(timeoutMs).then(() => (state.over = true))
  return state
}

describe('Wake', () => {
  it('ends a wait when its time has passed', async () => {
    const clock = new SimulatedClock()
    const wait = waiting(new Wake(clock), 100)
    await clock.advance(99)
    expect(wait.over).toBe(false)
    await clock.advance(1)
    expect(wait.over).toBe(true)
  })

  it('ends a wait when somebody signals, and leaves no timer behind', async () => {
    const clock = new SimulatedClock()
    const wake = new Wake(clock)
    const wait = waiting(wake, 100)
    await clock.advance(10)
    wake.signal()
    await clock.runUntilIdle()
    expect(wait.over).toBe(true)
    expect(clock.pendingTimers).toBe(0)
  })

  it('keeps a signal that comes between two waits, once', async () => {
    const clock = new SimulatedClock()
    const wake = new Wake(clock)
    wake.signal()
    wake.signal()
    const first = waiting(wake, 100)
    await clock.runUntilIdle()
    expect(first.over).toBe(true)
    const second = waiting(wake, 100)
    await clock.runUntilIdle()
    expect(second.over).toBe(false)
    await clock.advance(100)
    expect(second.over).toBe(true)
  })

  it('does not take the end of a wait by time for a signal', async () => {
    const clock = new SimulatedClock()
    const wake = new Wake(clock)
    waiting(wake, 10)
    await clock.advance(10)
    const next = waiting(wake, 10)
    await clock.advance(9)
    expect(next.over).toBe(false)
  })
})
