import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { EmitStrategy } from '../../../../src/time/emit-strategy.ts'
import { TimeWindows } from '../../../../src/time/windows.ts'
import { aggregation } from '../../../../src/topology/aggregations.ts'
import { windowedAggregate } from '../../../../src/topology/operators/windowed-aggregate.ts'
import { FakeStage, recordOf, runOperator } from '../../../support/fake-stage.ts'

const HEADERS = [{ key: 'h', value: null }]
const collect = aggregation<string | null, number | null, readonly (number | null)[]>(
  () => [],
  (_key, value, before) => [...before, value],
)

function windowed(stage: FakeStage, windows: TimeWindows, emit: EmitStrategy, onOutput?: () => void) {
  return runOperator(
    stage,
    windowedAggregate<string | null, number | null, readonly (number | null)[]>(
      stage,
      collect,
      windows,
      emit,
      'lists',
    ),
    onOutput,
  )
}

/** What the store holds, as `key@start`. */
function stored(stage: FakeStage): Record<string, unknown> {
  return Object.fromEntries(stage.windows.get('lists') ?? [])
}

describe('windowedAggregate, on close', () => {
  it('aggregates per key and window and sends nothing by itself', () => {
    const stage = new FakeStage()
    const operator = windowed(stage, TimeWindows.ofSizeWithNoGrace(10), 'onWindowClose')
    const records = [recordOf('a', 1, 3), recordOf('a', 2, 9), recordOf('b', 3, 9), recordOf('a', 4, 10)]
    expect(records.flatMap((record) => operator.work(record))).toEqual([])
    expect(stored(stage)).toEqual({ 'a@0': [1, 2], 'b@0': [3], 'a@10': [4] })
  })

  it('sends a result, when told to, at the last moment of its window', () => {
    const stage = new FakeStage()
    const operator = windowed(stage, TimeWindows.ofSizeAndGrace(10, 5), 'onWindowClose')
    expect(stage.closingOperator).toMatchObject({ storeName: 'lists', emits: true })
    expect(stage.closingOperator!.windows.graceMs).toBe(5)
    stage.closingOperator!.emitResult('a', 20, [1, 2])
    expect(operator.outputs).toEqual([recordOf({ key: 'a', window: { startMs: 20, endMs: 30 } }, [1, 2], 29)])
  })

  it('gives its results the headers of the unit, which say why a window closed before its time', () => {
    const stage = new FakeStage()
    const operator = windowed(stage, TimeWindows.ofSizeWithNoGrace(10), 'onWindowClose')
    stage.current.headers = [{ key: 'closed-by', value: Buffer.from('silence') }]
    stage.closingOperator!.emitResult('a', 0, [1])
    expect(operator.outputs[0]!.headers).toEqual(stage.current.headers)
  })
})

describe('windowedAggregate, on update', () => {
  it('sends the new aggregate of each window of each record, earliest window first', () => {
    const stage = new FakeStage()
    const windows = TimeWindows.ofSizeWithNoGrace(10).advanceBy(5)
    const operator = windowed(stage, windows, 'onWindowUpdate')
    expect(stage.closingOperator!.emits).toBe(false)
    expect(operator.work(recordOf('a', 1, 7))).toEqual([
      recordOf({ key: 'a', window: { startMs: 0, endMs: 10 } }, [1], 9, []),
      recordOf({ key: 'a', window: { startMs: 5, endMs: 15 } }, [1], 14, []),
    ])
    expect(operator.work(recordOf('a', 2, 12)).map(({ key, value }) => [key.window.startMs, value])).toEqual([
      [5, [1, 2]],
      [10, [2]],
    ])
  })

  it('stops with the first window whose result fails behind it', () => {
    const stage = new FakeStage()
    const windows = TimeWindows.ofSizeWithNoGrace(10).advanceBy(2)
    const operator = windowed(stage, windows, 'onWindowUpdate', () => stage.fail(new Error('behind')))
    expect(operator.work(recordOf('a', 1, 20))).toHaveLength(1)
  })
})

describe('windowedAggregate and late records', () => {
  const windows = TimeWindows.ofSizeAndGrace(10, 2).advanceBy(5)

  it('sends a record aside that is late for all its windows, with their starts', () => {
    const stage = new FakeStage()
    const operator = windowed(stage, windows, 'onWindowClose')
    stage.watermarkMs = 17
    const record = recordOf('a', 1, 7, HEADERS)
    operator.work(record)
    expect(stored(stage)).toEqual({})
    expect(stage.lateRecords).toEqual([
      { record, late: { windows, startsMs: [0, 5], closedByDecision: false } },
    ])
    expect(stage.partlyLateCount).toBe(0)
  })

  it('counts a record for the windows that are open, and notes that it was late for others', () => {
    const stage = new FakeStage()
    const operator = windowed(stage, windows, 'onWindowUpdate')
    stage.watermarkMs = 12
    expect(operator.work(recordOf('a', 1, 7)).map(({ key }) => key.window.startMs)).toEqual([5])
    expect(stored(stage)).toEqual({ 'a@5': [1] })
    expect([stage.partlyLateCount, stage.lateRecords.length]).toEqual([1, 0])
  })

  it('tells windows that a decision closed from those its own partition had passed', () => {
    const stage = new FakeStage()
    const operator = windowed(stage, windows, 'onWindowClose')
    stage.closed.closedThroughMs = 17
    operator.work(recordOf('a', 1, 7))
    stage.watermarkMs = 12
    operator.work(recordOf('a', 2, 7))
    expect(stage.lateRecords.map(({ late }) => late.closedByDecision)).toEqual([true, false])
  })

  it('follows the closed-through time as it moves on', () => {
    const stage = new FakeStage()
    const operator = windowed(stage, windows, 'onWindowClose')
    operator.work(recordOf('a', 1, 7))
    stage.closed.closedThroughMs = 100
    operator.work(recordOf('a', 2, 7))
    expect(stored(stage)).toEqual({ 'a@0': [1], 'a@5': [1] })
    expect(stage.lateRecords).toHaveLength(1)
  })

  it('agrees with the definition for any windows, times, watermarks and decisions', () => {
    const time = fc.integer({ min: 0, max: 60 })
    const some = fc.oneof(fc.constant(-Infinity), fc.integer({ min: 0, max: 90 }))
    fc.assert(
      fc.property(
        fc.tuple(
          fc.integer({ min: 1, max: 20 }),
          fc.integer({ min: 1, max: 20 }),
          fc.integer({ min: 0, max: 9 }),
        ),
        fc.array(fc.tuple(time, some, some), { minLength: 1, maxLength: 12 }),
        ([size, advance, grace], records) => {
          fc.pre(advance <= size)
          const stage = new FakeStage()
          const grid = TimeWindows.ofSizeAndGrace(size, grace).advanceBy(advance)
          const operator = windowed(stage, grid, 'onWindowClose')
          const expected: Record<string, number[]> = {}
          let late = 0
          let partly = 0
          records.forEach(([timeMs, watermarkMs, closedThroughMs], index) => {
            stage.watermarkMs = watermarkMs
            stage.closed.closedThroughMs = closedThroughMs
            operator.work(recordOf('k', index, timeMs))
            let open = 0
            let shut = 0
            for (let start = 0; start <= timeMs; start += advance) {
              if (timeMs >= start + size) continue
              const isOpen = start + size + grace > watermarkMs && start + size + grace > closedThroughMs
              if (isOpen) (expected[`k@${start}`] ??= []).push(index)
              open += isOpen ? 1 : 0
              shut += isOpen ? 0 : 1
            }
            late += open === 0 ? 1 : 0
            partly += open > 0 && shut > 0 ? 1 : 0
          })
          expect(stored(stage)).toEqual(expected)
          expect([stage.lateRecords.length, stage.partlyLateCount]).toEqual([late, partly])
        },
      ),
      { seed: 51, numRuns: 1000 },
    )
  })
})

describe('windowedAggregate and records it cannot take', () => {
  it.each([
    ['KEY_MISSING', recordOf(null, 1, 5)],
    ['VALUE_MISSING', recordOf('a', null, 5)],
  ])('fails a record with %s', (code, record) => {
    const stage = new FakeStage()
    const operator = windowed(stage, TimeWindows.ofSizeWithNoGrace(10), 'onWindowClose')
    operator.work(record)
    expect(stage.current.failure).toMatchObject({ code })
    expect(stored(stage)).toEqual({})
  })

  it('fails a record for which the aggregator throws', () => {
    const stage = new FakeStage()
    const broken = aggregation<string, number, number>(
      () => 0,
      () => {
        throw new Error('aggregator')
      },
    )
    const operator = runOperator(
      stage,
      windowedAggregate(stage, broken, TimeWindows.ofSizeWithNoGrace(10), 'onWindowClose', 'sums'),
    )
    operator.work(recordOf('a', 1, 5))
    expect(stage.current.failure).toEqual(new Error('aggregator'))
  })
})
