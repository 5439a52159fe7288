import * as rx from 'rxjs'
import { describe, expect, it, vi } from 'vitest'
import { rxSegment, rxValueSegment, type RxSegment } from '../../../../src/topology/operators/rx-segment.ts'
import type { StreamRecord } from '../../../../src/topology/stream-record.ts'
import { FakeStage, recordOf, runOperator } from '../../../support/fake-stage.ts'

const HEADERS = [{ key: 'h', value: null }]

function values<Out>(stage: FakeStage, segment: RxSegment<number, Out>, onOutput?: () => void) {
  return runOperator(stage, rxValueSegment<string, number, Out>(stage, segment), onOutput)
}

describe('rxValueSegment', () => {
  it('runs a chain of operators over the values, under key, time and headers of the record', () => {
    const chain = values(new FakeStage(), (source) =>
      source.pipe(
        rx.filter((value) => value > 0),
        rx.mergeMap((value) => [value, value * 2]),
      ),
    )
    expect(chain.work(recordOf('k', 3, 5, HEADERS))).toEqual([
      recordOf('k', 3, 5, HEADERS),
      recordOf('k', 6, 5, HEADERS),
    ])
    expect(chain.work(recordOf('k', -3))).toEqual([])
  })

  it('begins every operator anew for each record, so that none remembers anything', () => {
    const stage = new FakeStage()
    const scanned = values(stage, (source) => source.pipe(rx.scan((sum, value) => sum + value, 0)))
    expect(
      [1, 2, 3].flatMap((value) => scanned.work(recordOf('k', value))).map(({ value }) => value),
    ).toEqual([1, 2, 3])
    const distinct = values(stage, (source) => source.pipe(rx.distinctUntilChanged()))
    expect(distinct.work(recordOf('k', 1))).toHaveLength(1)
    expect(distinct.work(recordOf('k', 1))).toHaveLength(1)
  })

  it('gives buffers of one where a chain would gather several records', () => {
    const buffered = values(new FakeStage(), (source) => source.pipe(rx.bufferCount(2)))
    expect(buffered.work(recordOf('k', 1)).map(({ value }) => value)).toEqual([[1]])
    expect(buffered.work(recordOf('k', 2)).map(({ value }) => value)).toEqual([[2]])
  })

  it('lets a chain end early', () => {
    const first = values(new FakeStage(), (source) => source.pipe(rx.startWith(9), rx.take(1)))
    expect(first.work(recordOf('k', 1)).map(({ value }) => value)).toEqual([9])
    expect(first.work(recordOf('k', 2)).map(({ value }) => value)).toEqual([9])
  })

  it.each<[string, RxSegment<number, number>]>([
    ['a promise', (source) => source.pipe(rx.mergeMap((value) => Promise.resolve(value)))],
    ['a timer', (source) => source.pipe(rx.delay(1))],
    ['a scheduler', (source) => source.pipe(rx.observeOn(rx.asapScheduler))],
    ['something that never comes', (source) => rx.concat(source, rx.NEVER)],
  ])('fails a record whose chain waits for %s', (_what, segment) => {
    const stage = new FakeStage('waiting')
    const chain = values(stage, segment)
    chain.work(recordOf('k', 1))
    expect(stage.current.failure).toMatchObject({
      code: 'RX_NOT_SYNCHRONOUS',
      message: expect.stringContaining('waiting'),
    })
  })

  it('drops what a refused chain would have emitted later', async () => {
    const stage = new FakeStage()
    const chain = values(stage, (source) => source.pipe(rx.mergeMap((value) => Promise.resolve(value))))
    chain.work(recordOf('k', 1))
    await new Promise((resolve) => setImmediate(resolve))
    expect(chain.outputs).toEqual([])
  })

  it('lets go of what a refused chain holds', () => {
    const released = vi.fn()
    const chain = values(new FakeStage(), () => new rx.Observable<number>(() => released))
    chain.work(recordOf('k', 1))
    expect(released).toHaveBeenCalledTimes(1)
  })

  it('fails a record whose chain ends with an error, or cannot be built', () => {
    const stage = new FakeStage()
    const failing = values(stage, (source) =>
      source.pipe(
        rx.map((value) => {
          if (value < 0) throw new Error('negative')
          return value
        }),
      ),
    )
    expect(failing.work(recordOf('k', -1))).toEqual([])
    expect(stage.current.failure).toEqual(new Error('negative'))
    expect(failing.work(recordOf('k', 1))).toHaveLength(1)

    const unbuilt = values(stage, () => {
      throw new Error('building')
    })
    unbuilt.work(recordOf('k', 1))
    expect(stage.current.failure).toEqual(new Error('building'))
  })

  it('emits nothing more of a chain once a stage behind it has failed', () => {
    const stage = new FakeStage()
    const many = values(
      stage,
      (source) => source.pipe(rx.mergeMap(() => [1, 2, 3])),
      () => stage.fail(new Error('behind')),
    )
    expect(many.work(recordOf('k', 1))).toHaveLength(1)
    expect(stage.failures).toEqual([new Error('behind')])
  })
})

describe('rxSegment', () => {
  it('hands on records that can be spread, also where they come straight from the log', () => {
    class Accessors implements StreamRecord<string, number> {
      readonly key = 'k'
      readonly value = 3
      readonly timestampMs = 5
      get headers() {
        return HEADERS
      }
    }
    const chain = runOperator(
      new FakeStage(),
      rxSegment<string, number, string, number>(new FakeStage(), (records) =>
        records.pipe(rx.map((record) => ({ ...record, value: record.value + 1 }))),
      ),
    )
    expect(chain.work(new Accessors())).toEqual([recordOf('k', 4, 5, HEADERS)])
  })

  it('runs a chain over whole records, which may change all of them', () => {
    const stage = new FakeStage()
    const chain = runOperator(
      stage,
      rxSegment<string, number, number, string>(stage, (records) =>
        records.pipe(
          rx.map((record) => ({
            key: record.value,
            value: record.key,
            timestampMs: record.timestampMs + 1,
            headers: [],
          })),
        ),
      ),
    )
    expect(chain.work(recordOf('k', 3, 5, HEADERS))).toEqual([
      { key: 3, value: 'k', timestampMs: 6, headers: [] },
    ])
  })

  it.each([-1, 1.5, NaN, undefined as unknown as number])(
    'fails a record whose chain makes one with the time %s',
    (timestampMs) => {
      const stage = new FakeStage()
      const chain = runOperator(
        stage,
        rxSegment<string, number, string, number>(stage, (records) =>
          records.pipe(rx.map((record): StreamRecord<string, number> => ({ ...record, timestampMs }))),
        ),
      )
      expect(chain.work(recordOf('k', 3))).toEqual([])
      expect(stage.current.failure).toMatchObject({ code: 'TIMESTAMP_INVALID' })
    },
  )

  it('fails a record whose chain emits something that is no record', () => {
    const stage = new FakeStage()
    const chain = runOperator(
      stage,
      rxSegment<string, number, string, number>(stage, (records) =>
        records.pipe(rx.mergeMap(() => [undefined as never, recordOf('k', 1)])),
      ),
    )
    expect(chain.work(recordOf('k', 3))).toEqual([])
    expect(stage.current.failure).toBeInstanceOf(TypeError)
  })

  it('fails a record whose chain waits', () => {
    const stage = new FakeStage()
    const chain = runOperator(
      stage,
      rxSegment<string, number, string, number>(stage, (records) => records.pipe(rx.delay(0))),
    )
    expect(chain.work(recordOf('k', 3))).toEqual([])
    expect(stage.current.failure).toMatchObject({ code: 'RX_NOT_SYNCHRONOUS' })
  })
})
