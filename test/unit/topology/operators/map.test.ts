import { describe, expect, it } from 'vitest'
import { map, mapValues, selectKey } from '../../../../src/topology/operators/map.ts'
import { FakeStage, recordOf, runOperator } from '../../../support/fake-stage.ts'

const HEADERS = [{ key: 'unit', value: Buffer.from('K') }]

describe('map', () => {
  it('gives a record a new key and value, and keeps time and headers', () => {
    const stage = new FakeStage()
    const mapped = runOperator(
      stage,
      map<string, number, number, string>(stage, (key, value) => [value, key]),
    )
    expect(mapped.work(recordOf('a', 1, 77, HEADERS))).toEqual([recordOf(1, 'a', 77, HEADERS)])
  })

  it('hands the record at hand to the mapper', () => {
    const stage = new FakeStage()
    stage.current.topic = 'other'
    const mapped = runOperator(
      stage,
      map<string, number, string, number>(stage, (_key, value, context) => [context.topic, value]),
    )
    expect(mapped.work(recordOf('a', 1))[0]!.key).toBe('other')
  })

  it('fails the record for which the mapper answers no pair', () => {
    const stage = new FakeStage()
    const broken = runOperator(
      stage,
      map<string, number, string, number>(stage, () => undefined as never),
    )
    expect(broken.work(recordOf('a', 1))).toEqual([])
    expect(stage.current.failure).toBeInstanceOf(TypeError)
  })
})

describe('mapValues', () => {
  it('gives a record a new value, and keeps key, time and headers', () => {
    const stage = new FakeStage()
    const mapped = runOperator(
      stage,
      mapValues<string, number, string>(
        stage,
        (value, key, context) => `${key}${value}@${context.partition}`,
      ),
    )
    expect(mapped.work(recordOf('a', 1, 77, HEADERS))).toEqual([recordOf('a', 'a1@0', 77, HEADERS)])
  })

  it('passes on null values as they are made', () => {
    const stage = new FakeStage()
    const mapped = runOperator(
      stage,
      mapValues<string, number, null>(stage, () => null),
    )
    expect(mapped.work(recordOf('a', 1))[0]!.value).toBeNull()
  })

  it('fails the record whose mapper throws', () => {
    const stage = new FakeStage()
    const broken = runOperator(
      stage,
      mapValues<string, number, number>(stage, () => {
        throw new Error('mapper')
      }),
    )
    expect(broken.work(recordOf('a', 1))).toEqual([])
    expect(stage.current.failure).toEqual(new Error('mapper'))
  })
})

describe('selectKey', () => {
  it('gives a record a new key, and keeps value, time and headers', () => {
    const stage = new FakeStage()
    const keyed = runOperator(
      stage,
      selectKey<string, number, number>(stage, (_key, value) => value * 2),
    )
    expect(keyed.work(recordOf('a', 4, 77, HEADERS))).toEqual([recordOf(8, 4, 77, HEADERS)])
  })

  it('fails the record whose mapper throws', () => {
    const stage = new FakeStage()
    const broken = runOperator(
      stage,
      selectKey<string, { room: { name: string } } | null, string>(stage, (_key, value) => value!.room.name),
    )
    expect(broken.work(recordOf('a', null))).toEqual([])
    expect(stage.current.failure).toBeInstanceOf(TypeError)
  })
})
