import { describe, expect, it } from 'vitest'
import { filter } from '../../../../src/topology/operators/filter.ts'
import { FakeStage, recordOf, runOperator } from '../../../support/fake-stage.ts'

const isEven = (_key: string, value: number): boolean => value % 2 === 0

describe('filter', () => {
  it('keeps what the predicate holds for, as the very record it was', () => {
    const stage = new FakeStage()
    const evens = runOperator(stage, filter(stage, isEven, true))
    const kept = recordOf('a', 2)
    expect(evens.work(kept)[0]).toBe(kept)
    expect(evens.work(recordOf('a', 3))).toEqual([])
  })

  it('keeps the others when asked to', () => {
    const stage = new FakeStage()
    const odds = runOperator(stage, filter(stage, isEven, false))
    expect(odds.work(recordOf('a', 2))).toEqual([])
    expect(odds.work(recordOf('a', 3))).toHaveLength(1)
  })

  it('hands key, value and the record at hand to the predicate', () => {
    const stage = new FakeStage()
    stage.current.offset = 12n
    const seen: unknown[] = []
    const all = runOperator(
      stage,
      filter<string, number>(
        stage,
        (key, value, context) => {
          seen.push([key, value, context.offset])
          return true
        },
        true,
      ),
    )
    all.work(recordOf('k', 5))
    expect(seen).toEqual([['k', 5, 12n]])
  })

  it('fails the record whose predicate throws, and keeps it neither way', () => {
    for (const keep of [true, false]) {
      const stage = new FakeStage()
      const broken = runOperator(
        stage,
        filter<string, number>(
          stage,
          () => {
            throw new Error('no')
          },
          keep,
        ),
      )
      expect(broken.work(recordOf('a', 1))).toEqual([])
      expect(stage.current.failure).toEqual(new Error('no'))
    }
  })
})
