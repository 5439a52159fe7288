import { describe, expect, it } from 'vitest'
import { Serdes } from '../../../src/serde/serdes.ts'
import { TimeWindows } from '../../../src/time/windows.ts'
import type { KGroupedStream } from '../../../src/topology/grouped-stream.ts'
import { StreamsBuilder } from '../../../src/topology/streams-builder.ts'
import { nodeOf, type OperatorNode, type Topology } from '../../../src/topology/topology.ts'
import { FakeStage, recordOf, runOperator } from '../../support/fake-stage.ts'

function built(call: (grouped: KGroupedStream<string, number>) => unknown): Topology {
  const builder = new StreamsBuilder()
  call(builder.stream<string, number>('in', { value: Serdes.double() }).groupByKey())
  return builder.build()
}

function worked(topology: Topology, name: string, values: readonly number[]): unknown[] {
  const node = nodeOf(topology, name) as OperatorNode
  const stage = new FakeStage(name)
  const operator = runOperator(stage, node.build(stage))
  for (const value of values) operator.work(recordOf('k', value))
  return operator.outputs.map((output) => output.value)
}

describe('KGroupedStream', () => {
  it('counts, sending every new count', () => {
    const topology = built((grouped) => grouped.count({ name: 'n' }))
    expect(worked(topology, 'n', [5, 5, 7])).toEqual([1, 2, 3])
  })

  it('reduces, keeping values as the stream writes them', () => {
    const topology = built((grouped) => grouped.reduce((sum, value) => sum + value, { name: 'sum' }))
    expect(worked(topology, 'sum', [5, 5, 7])).toEqual([5, 10, 17])
    expect(topology.stores.get('sum')).toMatchObject({ value: { name: 'double' } })
  })

  it('aggregates into anything', () => {
    const topology = built((grouped) =>
      grouped.aggregate(
        () => '',
        (key, value, text) => `${text}${key}${value};`,
        { name: 'text' },
      ),
    )
    expect(worked(topology, 'text', [1, 2])).toEqual(['k1;', 'k1;k2;'])
    expect(topology.stores.get('text')).toMatchObject({ value: { name: 'json' } })
  })

  it('keeps its aggregates in a store without ranges, named like the stage or as told', () => {
    const topology = built((grouped) => {
      grouped.count({ name: 'own' })
      grouped.count({ name: 'stage', store: 'elsewhere', value: Serdes.int32() })
    })
    expect([...topology.stores.keys()]).toEqual(['own', 'elsewhere'])
    expect(topology.stores.get('elsewhere')).toMatchObject({
      kind: 'key-value',
      ranges: false,
      key: { name: 'string' },
      value: { name: 'int32' },
    })
    expect((nodeOf(topology, 'stage') as OperatorNode).stores).toEqual(['elsewhere'])
  })

  it('always depends on order, since every record is seen as an update', () => {
    const topology = built((grouped) => grouped.count({ name: 'n', onError: 'fail' }))
    expect(nodeOf(topology, 'n')).toMatchObject({
      orderDependent: true,
      windowed: undefined,
      policy: { onError: 'fail' },
    })
  })

  it('goes on in windows, which emit on close unless told otherwise', () => {
    const topology = built((grouped) =>
      grouped.windowedBy(TimeWindows.ofSizeWithNoGrace(10), { lateTopic: 'too-late' }).count({ name: 'n' }),
    )
    expect(nodeOf(topology, 'n')).toMatchObject({
      windowed: { emit: 'onWindowClose', lateTopic: 'too-late' },
    })
  })
})
