import { describe, expect, it } from 'vitest'
import { TopologyError } from '../../../../src/errors.ts'
import { process, processValues } from '../../../../src/topology/operators/process.ts'
import type {
  FixedKeyProcessorContext,
  Processor,
  ProcessorContext,
} from '../../../../src/topology/processor.ts'
import { FakeStage, recordOf, runOperator } from '../../../support/fake-stage.ts'

const HEADERS = [{ key: 'h', value: Buffer.from('1') }]

type Work = Processor<string, number, string, number>['process']

/** A processor that is nothing but its `process`. */
function running(stage: FakeStage, work: Work, stores: readonly string[] = []) {
  return runOperator(
    stage,
    process<string, number, string, number>(stage, () => ({ process: work }), stores),
  )
}

describe('process', () => {
  it('makes one processor, and tells it its context before the first record', () => {
    const stage = new FakeStage()
    const calls: string[] = []
    const operator = runOperator(
      stage,
      process<string, number, string, number>(stage, () => {
        calls.push('made')
        return {
          init: (context) => calls.push(`init ${typeof context.forward}`),
          process: (record) => calls.push(`record ${record.value}`),
        }
      }, []),
    )
    operator.work(recordOf('a', 1))
    operator.work(recordOf('a', 2))
    expect(calls).toEqual(['made', 'init function', 'record 1', 'record 2'])
  })

  it('forwards any number of records, with time and headers of the record at hand where none are given', () => {
    const operator = running(new FakeStage(), (record, context) => {
      context.forward({ key: 'x', value: record.value })
      context.forward({ key: 'y', value: 2, timestampMs: 9, headers: [] })
    })
    expect(operator.work(recordOf('a', 1, 5, HEADERS))).toEqual([
      recordOf('x', 1, 5, HEADERS),
      recordOf('y', 2, 9, []),
    ])
    expect(operator.work(recordOf('b', 7, 6))[0]).toEqual(recordOf('x', 7, 6))
  })

  it.each([-1, 1.5, NaN, Infinity, 8.64e15 + 1])(
    'fails a record that forwards the time %d',
    (timestampMs) => {
      const stage = new FakeStage('late')
      const operator = running(stage, (record, context) => context.forward({ ...record, timestampMs }))
      expect(operator.work(recordOf('a', 1))).toEqual([])
      expect(stage.current.failure).toMatchObject({ code: 'TIMESTAMP_INVALID' })
    },
  )

  it('hands out the stores it is connected to, and no others', () => {
    const stage = new FakeStage('joiner')
    stage.keyValueStore('known').put('a', 41)
    const connected = running(
      stage,
      (record, context) => {
        const store = context.keyValueStore<string, number>('known')
        store.put(record.key, store.get(record.key)! + 1)
        context.windowStore<string, number>('windows').put(record.key, 0, 3)
      },
      ['known', 'windows'],
    )
    connected.work(recordOf('a', 1))
    expect(stage.keyValues.get('known')!.get('a')).toBe(42)
    expect(stage.windows.get('windows')!.size).toBe(1)

    for (const ask of ['keyValueStore', 'windowStore'] as const) {
      const stray = running(stage, (_record, context) => void context[ask]('known'), ['other'])
      stray.work(recordOf('a', 1))
      expect(stage.current.failure).toBeInstanceOf(TopologyError)
      expect(String(stage.current.failure)).toContain('joiner')
    }
  })

  it('refuses a store that is not connected while it is being made, which no error policy catches', () => {
    const stage = new FakeStage()
    const build = () =>
      process(
        stage,
        () => ({
          init: (context: ProcessorContext<never, never>) => void context.keyValueStore('x'),
          process: () => undefined,
        }),
        [],
      )
    expect(build).toThrow(TopologyError)
  })

  it('tells the watermark, the record context and the counters of the stage', () => {
    const stage = new FakeStage()
    const seen: unknown[] = []
    const operator = running(stage, (_record, context) => {
      context.counter('mine').increment()
      seen.push([context.watermarkMs, context.record.topic])
    })
    operator.work(recordOf('a', 1))
    stage.watermarkMs = 70
    stage.current.topic = 'others'
    operator.work(recordOf('a', 1))
    expect(seen).toEqual([
      [-Infinity, 'readings'],
      [70, 'others'],
    ])
    expect(stage.counts.get('mine')).toBe(2)
  })

  it('fails the record whose processing throws', () => {
    const stage = new FakeStage()
    const operator = running(stage, () => {
      throw new Error('processor')
    })
    operator.work(recordOf('a', 1))
    expect(stage.current.failure).toEqual(new Error('processor'))
  })

  it('forwards nothing more once a stage behind it has failed', () => {
    const stage = new FakeStage()
    const operator = runOperator(
      stage,
      process<string, number, string, number>(
        stage,
        () => ({
          process(record, context) {
            for (let value = 0; value < 5; value++) context.forward({ key: record.key, value })
          },
        }),
        [],
      ),
      (output) => {
        if (output.value === 1) stage.fail(new Error('behind'))
      },
    )
    expect(operator.work(recordOf('a', 1)).map(({ value }) => value)).toEqual([0, 1])
  })
})

describe('processValues', () => {
  it('forwards values under the key, time and headers of the record at hand', () => {
    const stage = new FakeStage()
    const operator = runOperator(
      stage,
      processValues<string, number, string>(
        stage,
        () => ({
          process(record, context) {
            context.forward(`${record.value}`)
            context.forward('again')
          },
        }),
        [],
      ),
    )
    expect(operator.work(recordOf('a', 1, 5, HEADERS))).toEqual([
      recordOf('a', '1', 5, HEADERS),
      recordOf('a', 'again', 5, HEADERS),
    ])
  })

  it('gives its context before the first record, and stores only where connected', () => {
    const stage = new FakeStage()
    let given: FixedKeyProcessorContext<number> | undefined
    runOperator(
      stage,
      processValues<string, number, number>(
        stage,
        () => ({ init: (context) => (given = context), process: () => undefined }),
        ['mine'],
      ),
    )
    expect(given!.keyValueStore('mine').name).toBe('mine')
    expect(() => given!.keyValueStore('yours')).toThrow(TopologyError)
  })

  it('forwards nothing more once a stage behind it has failed, and fails what throws', () => {
    const stage = new FakeStage()
    const operator = runOperator(
      stage,
      processValues<string, number, number>(
        stage,
        () => ({
          process(record, context) {
            if (record.value < 0) throw new Error('negative')
            context.forward(1)
            context.forward(2)
          },
        }),
        [],
      ),
      () => stage.fail(new Error('behind')),
    )
    expect(operator.work(recordOf('a', 1))).toHaveLength(1)
    expect(operator.work(recordOf('a', -1))).toHaveLength(0)
    expect(stage.current.failure).toEqual(new Error('negative'))
  })
})
