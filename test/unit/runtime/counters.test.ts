import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Counters } from '../../../src/runtime/counters.ts'

describe('Counters', () => {
  it('count by name, and go on from where they stood', () => {
    const counters = new Counters({ consumed: 5 })
    counters.increment('consumed')
    counters.increment('late')
    expect(counters.snapshot()).toEqual({ consumed: 6, late: 1 })
  })

  it('take back what was counted since the unit began, and nothing more', () => {
    const steps = fc.array(fc.constantFrom('a', 'b', 'begin', 'rollback'), { maxLength: 60 })
    fc.assert(
      fc.property(steps, (all) => {
        const counters = new Counters()
        let now: Record<string, number> = { a: 0, b: 0 }
        let mark = now
        for (const step of all) {
          if (step === 'begin') {
            counters.begin()
            mark = now
          } else if (step === 'rollback') {
            counters.rollback()
            now = mark
          } else {
            counters.increment(step)
            now = { ...now, [step]: now[step]! + 1 }
          }
          expect({ a: 0, b: 0, ...counters.snapshot() }).toEqual(now)
        }
      }),
      { seed: 411, numRuns: 500 },
    )
  })

  it('give user code a handle on one count, which is undone with its record', () => {
    const counters = new Counters()
    const mine = counters.named('mine')
    mine.increment()
    counters.begin()
    mine.increment()
    mine.increment()
    counters.rollback()
    expect(counters.snapshot()).toEqual({ mine: 1 })
  })

  it('list the totals in the order of their names, whatever the names are', () => {
    const counters = new Counters()
    for (const name of ['late', 'consumed', '__proto__', 'deadLetters']) counters.increment(name)
    expect(Object.keys(counters.snapshot())).toEqual(['__proto__', 'consumed', 'deadLetters', 'late'])
    expect(new Counters(counters.snapshot()).snapshot()).toEqual(counters.snapshot())
  })

  it('give a snapshot that later counting does not change', () => {
    const counters = new Counters()
    counters.increment('a')
    const before = counters.snapshot()
    counters.increment('a')
    expect(before).toEqual({ a: 1 })
  })
})
