import { Subject } from 'rxjs'
import { describe, expect, it } from 'vitest'
import { perRecord } from '../../../../src/topology/operators/per-record.ts'
import { FakeStage, runOperator } from '../../../support/fake-stage.ts'

describe('perRecord', () => {
  it('calls the work for each record and passes on what it emits', () => {
    const stage = new FakeStage()
    const twice = runOperator(
      stage,
      perRecord<number, number>(stage, (record, downstream) => {
        downstream.next(record)
        downstream.next(record * 10)
      }),
    )
    expect(twice.work(1)).toEqual([1, 10])
    expect(twice.work(2)).toEqual([2, 20])
  })

  it('turns what the work throws into the failure of the unit, and goes on with the next record', () => {
    const stage = new FakeStage()
    const picky = runOperator(
      stage,
      perRecord<number, number>(stage, (record, downstream) => {
        if (record < 0) throw new RangeError(`not ${record}`)
        downstream.next(record)
      }),
    )
    expect(picky.work(-1)).toEqual([])
    expect(stage.current.failed).toBe(true)
    expect(stage.current.failure).toEqual(new RangeError('not -1'))
    expect(picky.work(7)).toEqual([7])
    expect(stage.current.failed).toBe(false)
    expect(picky.ended).toBe(false)
  })

  it('keeps what was thrown as it is, also where it is no Error', () => {
    const stage = new FakeStage()
    const rude = runOperator(
      stage,
      perRecord<number, number>(stage, () => {
        throw 'text'
      }),
    )
    rude.work(1)
    expect(stage.current.failure).toBe('text')
  })

  it('blames the stage that threw, not the one in front of it', () => {
    const front = new FakeStage('front')
    const behind = new FakeStage('behind', front.current)
    const entrance = new Subject<number>()
    entrance
      .pipe(
        perRecord<number, number>(front, (record, downstream) => downstream.next(record)),
        perRecord<number, number>(behind, () => {
          throw new Error('behind')
        }),
      )
      .subscribe()
    entrance.next(1)
    expect(front.failures).toEqual([])
    expect(behind.failures).toEqual([new Error('behind')])
  })
})
