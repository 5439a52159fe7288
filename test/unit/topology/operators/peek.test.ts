import { describe, expect, it } from 'vitest'
import { peek } from '../../../../src/topology/operators/peek.ts'
import { FakeStage, recordOf, runOperator } from '../../../support/fake-stage.ts'

describe('peek', () => {
  it('calls the action before it passes the very record on', () => {
    const stage = new FakeStage()
    const order: string[] = []
    const peeked = runOperator(
      stage,
      peek<string, number>(stage, (key, value, context) => {
        order.push(`seen ${key} ${value} of ${context.topic}`)
      }),
      () => order.push('passed on'),
    )
    const record = recordOf('k', 1)
    expect(peeked.work(record)[0]).toBe(record)
    expect(order).toEqual(['seen k 1 of readings', 'passed on'])
  })

  it('fails the record whose action throws, and passes nothing on', () => {
    const stage = new FakeStage()
    const broken = runOperator(
      stage,
      peek<string, number>(stage, () => {
        throw new Error('action')
      }),
    )
    expect(broken.work(recordOf('k', 1))).toEqual([])
    expect(stage.current.failure).toEqual(new Error('action'))
  })

  it('withholds a side effect in a replay, and passes the record on', () => {
    const stage = new FakeStage()
    const seen: string[] = []
    const mailed = runOperator(
      stage,
      peek<string, number>(stage, (key) => void seen.push(key), true),
    )
    stage.current.isReplay = true
    expect(mailed.work(recordOf('replayed', 1))).toHaveLength(1)
    stage.current.isReplay = false
    expect(mailed.work(recordOf('live', 1))).toHaveLength(1)
    expect(seen).toEqual(['live'])
  })
})
