import { describe, expect, it } from 'vitest'
import { Serdes } from '../../../src/serde/serdes.ts'
import { EmitStrategy } from '../../../src/time/emit-strategy.ts'
import { TimeWindows } from '../../../src/time/windows.ts'
import { StreamsBuilder } from '../../../src/topology/streams-builder.ts'
import { nodeOf, type OperatorNode, type Topology } from '../../../src/topology/topology.ts'
import type { TimeWindowedKStream } from '../../../src/topology/windowed-stream.ts'
import { FakeStage, recordOf, runOperator } from '../../support/fake-stage.ts'

const TEN = TimeWindows.ofSizeAndGrace(10, 3)

function built(call: (windowed: TimeWindowedKStream<string, number>) => unknown): Topology {
  const builder = new StreamsBuilder()
  call(builder.stream<string, number>('in', { value: Serdes.double() }).groupByKey().windowedBy(TEN))
  return builder.build()
}

function worked(topology: Topology, name: string): unknown[] {
  const node = nodeOf(topology, name) as OperatorNode
  const stage = new FakeStage(name)
  const operator = runOperator(stage, node.build(stage))
  for (const value of [4, 5, 6]) operator.work(recordOf('k', value, 2))
  return operator.outputs.map((output) => output.value)
}

const onUpdate = EmitStrategy.onWindowUpdate()

describe('TimeWindowedKStream', () => {
  it('counts, reduces and aggregates per key and window', () => {
    const topology = built((windowed) => {
      const updating = windowed.emitStrategy(onUpdate)
      updating.count({ name: 'n' })
      updating.reduce((a, b) => a - b, { name: 'r' })
      updating.aggregate(
        () => '',
        (key, value, text) => text + key + value,
        { name: 'a' },
      )
    })
    expect(worked(topology, 'n')).toEqual([1, 2, 3])
    expect(worked(topology, 'r')).toEqual([4, -1, -7])
    expect(worked(topology, 'a')).toEqual(['k4', 'k4k5', 'k4k5k6'])
  })

  it('keeps its windows in a store of its own, with serdes as known', () => {
    const topology = built((windowed) => {
      windowed.reduce((a) => a, { name: 'r' })
      windowed.count({ name: 'n', store: 'counts', value: Serdes.int32() })
    })
    expect(topology.stores.get('r')).toMatchObject({
      kind: 'window',
      windows: TEN,
      value: { name: 'double' },
    })
    expect(topology.stores.get('counts')).toMatchObject({ key: { name: 'string' }, value: { name: 'int32' } })
  })

  it('depends on order unless it is commutative and tells nobody before the close', () => {
    const topology = built((windowed) => {
      const steps = [() => 0, (_key: string, value: number, sum: number) => sum + value] as const
      const updating = windowed.emitStrategy(onUpdate)
      windowed.count({ name: 'count' })
      windowed.reduce((a) => a, { name: 'reduce' })
      windowed.reduce((a) => a, { name: 'commutative-reduce', commutative: true })
      windowed.aggregate(...steps, { name: 'aggregate' })
      windowed.aggregate(...steps, { name: 'commutative-aggregate', commutative: true })
      updating.count({ name: 'updating-count' })
      updating.aggregate(...steps, { name: 'updating-aggregate', commutative: true })
    })
    const names = [...topology.nodes.values()]
      .filter((node) => node.type === 'operator' && node.orderDependent)
      .map(({ name }) => name)
    expect(names).toEqual(['reduce', 'aggregate', 'updating-count', 'updating-aggregate'])
  })

  it('tells the runtime its windows, when it emits, and how late records are written', () => {
    const topology = built((windowed) => {
      windowed.count({ name: 'close' })
      windowed.emitStrategy(onUpdate).count({ name: 'update' })
    })
    expect(nodeOf(topology, 'close')).toMatchObject({
      windowed: {
        windows: TEN,
        emit: 'onWindowClose',
        lateTopic: undefined,
        key: { name: 'string' },
        value: { name: 'double' },
      },
    })
    expect(nodeOf(topology, 'update')).toMatchObject({ windowed: { emit: 'onWindowUpdate' } })
  })

  it('has results with keys of another kind: grouping them repartitions', () => {
    const topology = built((windowed) =>
      windowed
        .count()
        .toStream(({ key }) => key)
        .groupByKey()
        .count(),
    )
    expect(topology.subTopologies).toHaveLength(2)
  })
})
