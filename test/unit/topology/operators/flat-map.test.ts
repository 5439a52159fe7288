import { describe, expect, it } from 'vitest'
import { flatMap, flatMapValues } from '../../../../src/topology/operators/flat-map.ts'
import { FakeStage, recordOf, runOperator } from '../../../support/fake-stage.ts'

const HEADERS = [{ key: 'h', value: null }]

describe('flatMap', () => {
  it('gives any number of records, in the order of the iterable, all with the time and headers of the one', () => {
    const stage = new FakeStage()
    const split = runOperator(
      stage,
      flatMap<string, string, string, number>(stage, (key, value) =>
        [...value].map((letter, index) => [key + letter, index] as const),
      ),
    )
    expect(split.work(recordOf('k', 'ab', 5, HEADERS))).toEqual([
      recordOf('ka', 0, 5, HEADERS),
      recordOf('kb', 1, 5, HEADERS),
    ])
    expect(split.work(recordOf('k', ''))).toEqual([])
  })

  it('keeps what came before a failure of the iterable from being the last word: the unit has failed', () => {
    const stage = new FakeStage()
    const half = runOperator(
      stage,
      flatMap<string, number, string, number>(stage, function* () {
        yield ['a', 1]
        throw new Error('halfway')
      }),
    )
    half.work(recordOf('k', 1))
    expect(stage.current.failure).toEqual(new Error('halfway'))
  })

  it('stops asking for records, and lets the iterable go, when a stage behind it has failed', () => {
    const stage = new FakeStage()
    let asked = 0
    let finished = false
    const endless = runOperator(
      stage,
      flatMap<string, number, string, number>(stage, function* () {
        try {
          for (;;) yield ['a', asked++]
        } finally {
          finished = true
        }
      }),
      (output) => {
        if (output.value === 2) stage.fail(new Error('behind'))
      },
    )
    expect(endless.work(recordOf('k', 1))).toHaveLength(3)
    expect(asked).toBe(3)
    expect(finished).toBe(true)
  })
})

describe('flatMapValues', () => {
  it('gives any number of values under the key, time and headers of the record', () => {
    const stage = new FakeStage()
    const letters = runOperator(
      stage,
      flatMapValues<string, string, string>(stage, (value, key) => [...value, key]),
    )
    expect(letters.work(recordOf('k', 'ab', 5, HEADERS))).toEqual([
      recordOf('k', 'a', 5, HEADERS),
      recordOf('k', 'b', 5, HEADERS),
      recordOf('k', 'k', 5, HEADERS),
    ])
  })

  it('stops when a stage behind it has failed', () => {
    const stage = new FakeStage()
    const letters = runOperator(
      stage,
      flatMapValues<string, string, string>(stage, (value) => value),
      () => stage.fail(new Error('behind')),
    )
    expect(letters.work(recordOf('k', 'abc'))).toHaveLength(1)
  })

  it('fails the record for which the mapper answers nothing that can be iterated', () => {
    const stage = new FakeStage()
    const broken = runOperator(
      stage,
      flatMapValues<string, string, string>(stage, () => 5 as never),
    )
    expect(broken.work(recordOf('k', 'abc'))).toEqual([])
    expect(stage.current.failure).toBeInstanceOf(TypeError)
  })
})
