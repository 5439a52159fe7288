import fc from 'fast-check'
import { Subject } from 'rxjs'
import { describe, expect, it } from 'vitest'
import { branch } from '../../../../src/topology/operators/branch.ts'
import { FakeStage, recordOf, runOperator } from '../../../support/fake-stage.ts'

describe('branch', () => {
  it('gives each record to the first branch that takes it, and the rest to the default', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.nat(9), { maxLength: 5 }), { maxLength: 4 }),
        fc.nat(9),
        (accepted, value) => {
          const predicates = accepted.map((values) => (_key: string, one: number) => values.includes(one))
          const stage = new FakeStage()
          const entrance = new Subject<ReturnType<typeof recordOf<string, number>>>()
          const takenBy: number[] = []
          predicates.forEach((own, index) => {
            entrance.pipe(branch(stage, predicates.slice(0, index), own)).subscribe(() => takenBy.push(index))
          })
          entrance.pipe(branch(stage, predicates, undefined)).subscribe(() => takenBy.push(-1))
          entrance.next(recordOf('k', value))
          expect(takenBy).toEqual([accepted.findIndex((values) => values.includes(value))])
        },
      ),
      { seed: 41, numRuns: 500 },
    )
  })

  it('fails the record when a predicate throws, its own or an earlier one', () => {
    const broken = (): boolean => {
      throw new Error('predicate')
    }
    for (const [earlier, own] of [
      [[broken], () => true],
      [[], broken],
    ] as const) {
      const stage = new FakeStage()
      const one = runOperator(stage, branch<string, number>(stage, earlier, own))
      expect(one.work(recordOf('k', 1))).toEqual([])
      expect(stage.current.failure).toEqual(new Error('predicate'))
    }
  })

  it('passes the very record on', () => {
    const stage = new FakeStage()
    const rest = runOperator(stage, branch<string, number>(stage, [], undefined))
    const record = recordOf('k', 1)
    expect(rest.work(record)[0]).toBe(record)
  })
})
