import { describe, expect, it } from 'vitest'
import { aggregation } from '../../../../src/topology/aggregations.ts'
import { aggregate } from '../../../../src/topology/operators/aggregate.ts'
import { FakeStage, recordOf, runOperator } from '../../../support/fake-stage.ts'

const HEADERS = [{ key: 'h', value: null }]
const list = aggregation<string | null, number | null, readonly (number | null)[]>(
  () => [],
  (_key, value, before) => [...before, value],
)

describe('aggregate', () => {
  it('keeps an aggregate per key and passes on every new one, under the time and headers of the record', () => {
    const stage = new FakeStage()
    const lists = runOperator(stage, aggregate(stage, list, 'lists'))
    expect(lists.work(recordOf('a', 1, 5, HEADERS))).toEqual([recordOf('a', [1], 5, HEADERS)])
    expect(lists.work(recordOf('b', 2))).toEqual([recordOf('b', [2])])
    expect(lists.work(recordOf('a', 3))).toEqual([recordOf('a', [1, 3])])
    expect([...stage.keyValues.get('lists')!]).toEqual([
      ['a', [1, 3]],
      ['b', [2]],
    ])
  })

  it.each([
    ['KEY_MISSING', recordOf(null, 1)],
    ['VALUE_MISSING', recordOf('a', null)],
  ])('fails a record with %s, and leaves the store alone', (code, record) => {
    const stage = new FakeStage('sums')
    const lists = runOperator(stage, aggregate(stage, list, 'lists'))
    expect(lists.work(record)).toEqual([])
    expect(stage.current.failure).toMatchObject({ code, message: expect.stringContaining('sums') })
    expect(stage.keyValues.get('lists')!.size).toBe(0)
  })

  it('takes empty texts and zeros for keys and values', () => {
    const stage = new FakeStage()
    const lists = runOperator(stage, aggregate(stage, list, 'lists'))
    expect(lists.work(recordOf('', 0))).toEqual([recordOf('', [0])])
  })

  it('fails the record whose aggregator throws, and keeps the old aggregate', () => {
    const stage = new FakeStage()
    const steps = aggregation<string, number, number>(
      () => 0,
      (_key, value, sum) => {
        if (value < 0) throw new Error('negative')
        return sum + value
      },
    )
    const sums = runOperator(stage, aggregate(stage, steps, 'sums'))
    sums.work(recordOf('a', 5))
    expect(sums.work(recordOf('a', -1))).toEqual([])
    expect(stage.current.failure).toEqual(new Error('negative'))
    expect(sums.work(recordOf('a', 2))).toEqual([recordOf('a', 7)])
  })
})
