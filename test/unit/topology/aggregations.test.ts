import { describe, expect, it } from 'vitest'
import { aggregation, COUNT, reduction } from '../../../src/topology/aggregations.ts'
import type { Aggregation } from '../../../src/topology/operators/aggregate.ts'

function applied<V, A>(steps: Aggregation<string, V, A>, values: readonly V[]): A | undefined {
  return values.reduce<A | undefined>(
    (before, value) => (before === undefined ? steps.first('k', value) : steps.next('k', value, before)),
    undefined,
  )
}

describe('aggregations', () => {
  it('count records whatever their values are', () => {
    expect(applied(COUNT as Aggregation<string, unknown, number>, ['a', null, 0])).toBe(3)
  })

  it('reduce beginning with the first value, for which the reducer is not asked', () => {
    const calls: unknown[] = []
    const steps = reduction<string, number>((aggregate, value) => {
      calls.push([aggregate, value])
      return aggregate - value
    })
    expect(applied(steps, [10, 3, 2])).toBe(5)
    expect(calls).toEqual([
      [10, 3],
      [7, 2],
    ])
  })

  it('aggregate beginning with a new initial value for each key, the first value included', () => {
    let made = 0
    const steps = aggregation<string, number, readonly string[]>(
      () => {
        made++
        return []
      },
      (key, value, aggregate) => [...aggregate, `${key}${value}`],
    )
    expect(applied(steps, [1, 2])).toEqual(['k1', 'k2'])
    expect(applied(steps, [3])).toEqual(['k3'])
    expect(made).toBe(2)
  })
})
