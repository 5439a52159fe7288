import { describe, expect, it } from 'vitest'
import { RateLimit } from '../../../src/runtime/rate-limit.ts'
import { SimulatedClock } from '../../../src/testing/simulated-clock.ts'

describe('a rate limit', () => {
  it('lets through what the rate says, evenly, whatever is taken at a time', async () => {
    const clock = new SimulatedClock()
    const limit = new RateLimit(clock, 1_000)
    let taken = 0
    for (let step = 0; step < 500; step++) {
      await clock.advance(10)
      const available = limit.available()
      expect(available).toBeLessThanOrEqual(100)
      limit.took(available)
      taken += available
    }
    expect(taken).toBe(5_000)
  })

  it('does not make up for a pause, and takes back what was too much', async () => {
    const clock = new SimulatedClock()
    const limit = new RateLimit(clock, 1_000)
    await clock.advance(60_000)
    expect(limit.available()).toBe(100)
    limit.took(300)
    expect(limit.available()).toBe(0)
    expect(limit.waitMs()).toBe(201)
    await clock.advance(200)
    expect(limit.available()).toBe(0)
    await clock.advance(1)
    expect(limit.available()).toBe(1)
    expect(limit.waitMs()).toBe(Infinity)
  })

  it('keeps rates below one a second', async () => {
    const clock = new SimulatedClock()
    const limit = new RateLimit(clock, 0.5)
    await clock.advance(1_999)
    expect(limit.available()).toBe(0)
    await clock.advance(1)
    expect(limit.available()).toBe(1)
  })

  it('stops at once while it is held, also without a rate', async () => {
    const clock = new SimulatedClock()
    const limit = new RateLimit(clock, Infinity)
    expect(limit.available()).toBe(Infinity)
    limit.held = true
    expect(limit.available()).toBe(0)
    expect(limit.waitMs()).toBe(50)
    limit.held = false
    limit.took(1_000)
    await clock.advance(1)
    expect(limit.available()).toBe(Infinity)
  })
})
