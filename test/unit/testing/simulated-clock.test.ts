import { describe, expect, it } from 'vitest'
import { sleep } from '../../../src/clock.ts'
import { SeededRandom } from '../../../src/testing/seeded-random.ts'
import { SimulatedClock } from '../../../src/testing/simulated-clock.ts'

describe('SimulatedClock', () => {
  it('stands still until it is told to go on', async () => {
    const clock = new SimulatedClock(1000)
    let fired = false
    clock.schedule(0, () => (fired = true))
    await clock.runUntilIdle()
    expect([clock.now(), clock.monotonic(), fired]).toEqual([1000, 0, false])
    await clock.advance(0)
    expect(fired).toBe(true)
  })

  it('runs timers in the order of due times, and of setting within one moment', async () => {
    const clock = new SimulatedClock()
    const random = new SeededRandom(5)
    const expected: [number, number][] = []
    const seen: number[] = []
    for (let i = 0; i < 500; i += 1) {
      const delay = random.int(50)
      expected.push([delay, i])
      clock.schedule(delay, () => {
        expect(clock.monotonic()).toBe(delay)
        seen.push(i)
      })
    }
    await clock.advance(100)
    expected.sort((a, b) => a[0] - b[0] || a[1] - b[1])
    expect(seen).toEqual(expected.map(([, i]) => i))
    expect(clock.monotonic()).toBe(100)
  })

  it('runs the timers that a timer sets within the same stretch', async () => {
    const clock = new SimulatedClock()
    const seen: number[] = []
    const tick = (): void => {
      seen.push(clock.monotonic())
      clock.schedule(10, tick)
    }
    clock.schedule(10, tick)
    await clock.advance(35)
    expect(seen).toEqual([10, 20, 30])
    expect(clock.nextTimerInMs).toBe(5)
  })

  it('lets promises go on between two timers', async () => {
    const clock = new SimulatedClock()
    const seen: string[] = []
    const work = async (name: string, delay: number): Promise<void> => {
      await sleep(clock, delay)
      seen.push(`${name} woke`)
      for (let i = 0; i < 20; i += 1) await Promise.resolve()
      await clock.yieldNow()
      seen.push(`${name} ended`)
    }
    void work('a', 5)
    void work('b', 6)
    await clock.advance(6)
    expect(seen).toEqual(['a woke', 'a ended', 'b woke', 'b ended'])
  })

  it('does not run what was called off, twice called off or already run', async () => {
    const clock = new SimulatedClock()
    let count = 0
    const called = clock.schedule(5, () => (count += 1))
    const off = clock.schedule(4, () => (count += 10))
    off.cancel()
    off.cancel()
    expect(clock.pendingTimers).toBe(1)
    await clock.advance(5)
    called.cancel()
    expect(count).toBe(1)
    expect(clock.nextTimerInMs).toBe(null)
  })

  it('goes from timer to timer', async () => {
    const clock = new SimulatedClock()
    const seen: number[] = []
    for (const delay of [30, 10, 20]) clock.schedule(delay, () => seen.push(delay))
    expect(await clock.runNextTimer()).toBe(true)
    expect(await clock.runNextTimer()).toBe(true)
    expect([seen, clock.monotonic()]).toEqual([[10, 20], 20])
    await clock.runNextTimer()
    expect(await clock.runNextTimer()).toBe(false)
  })

  it('steps the wall clock without touching the timers', async () => {
    const clock = new SimulatedClock(1000)
    let firedAt = 0
    clock.schedule(10, () => (firedAt = clock.now()))
    clock.stepWallClock(-500)
    await clock.advance(10)
    expect([firedAt, clock.monotonic()]).toEqual([510, 10])
  })

  it('refuses to be driven from two places', async () => {
    const clock = new SimulatedClock()
    const first = clock.advance(5)
    await expect(clock.advance(5)).rejects.toThrow('driven from one place')
    await first
  })
})
