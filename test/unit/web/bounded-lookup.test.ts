import { describe, expect, it } from 'vitest'
import { SimulatedClock } from '../../../src/testing/index.ts'
import { BoundedLookup } from '../../../src/web/bounded-lookup.ts'

/** A lookup that ends when the test says so. */
function lookup() {
  const clock = new SimulatedClock()
  const begun: { found: (value: number) => void; failed: (error: Error) => void }[] = []
  const bounded = new BoundedLookup(
    clock,
    100,
    () => new Promise<number>((found, failed) => begun.push({ found, failed })),
  )
  return { clock, begun, bounded }
}

describe('a lookup', () => {
  it('answers what was found and leaves no timer', async () => {
    const { clock, begun, bounded } = lookup()
    const answer = bounded.ask()
    await clock.advance(99)
    begun[0]!.found(7)
    expect(await answer).toBe(7)
    expect(clock.pendingTimers).toBe(0)
  })

  it('answers undefined after its time, and goes on with what is still under way', async () => {
    const { clock, begun, bounded } = lookup()
    const first = bounded.ask()
    await clock.advance(100)
    expect(await first).toBeUndefined()
    const second = bounded.ask()
    expect(begun.length).toBe(1)
    begun[0]!.found(7)
    expect(await second).toBe(7)
    const third = bounded.ask()
    expect(begun.length).toBe(2)
    begun[1]!.found(8)
    expect(await third).toBe(8)
  })

  it('answers undefined when it fails, and is begun anew the next time', async () => {
    const { begun, bounded } = lookup()
    const first = bounded.ask()
    begun[0]!.failed(new Error('unreachable'))
    expect(await first).toBeUndefined()
    const second = bounded.ask()
    begun[1]!.found(7)
    expect(await second).toBe(7)
  })

  it('is begun once for all who ask at the same time', async () => {
    const { begun, bounded } = lookup()
    const answers = [bounded.ask(), bounded.ask(), bounded.ask()]
    expect(begun.length).toBe(1)
    begun[0]!.found(7)
    expect(await Promise.all(answers)).toEqual([7, 7, 7])
  })

  it('may fail after its time without harm', async () => {
    const { clock, begun, bounded } = lookup()
    const first = bounded.ask()
    await clock.advance(100)
    expect(await first).toBeUndefined()
    begun[0]!.failed(new Error('too late'))
    await clock.runUntilIdle()
    void bounded.ask()
    expect(begun.length).toBe(2)
  })
})
