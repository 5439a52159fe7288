import * as rx from 'rxjs'
import { describe, expect, it } from 'vitest'
import { Serdes } from '../../../src/serde/serdes.ts'
import type { KStream } from '../../../src/topology/kstream.ts'
import { StreamsBuilder } from '../../../src/topology/streams-builder.ts'
import { nodeOf, type OperatorNode, type Topology } from '../../../src/topology/topology.ts'
import { FakeStage, recordOf, runOperator } from '../../support/fake-stage.ts'

type In = KStream<string, number>

/** A stream of whatever type, of which only the grouping is asked. */
interface Groupable {
  groupByKey(): { count(): unknown }
}

/** The stages that a DSL call adds behind a source. */
function added(call: (stream: In) => unknown): { topology: Topology; nodes: OperatorNode[] } {
  const builder = new StreamsBuilder()
  builder.addStateStore({
    kind: 'key-value',
    name: 'ids',
    key: Serdes.string(),
    value: Serdes.json<number>(),
  })
  const stream = builder.stream<string, number>('in')
  stream.process(() => ({ process: () => undefined }), { stores: ['ids'], name: 'connected' })
  call(stream)
  const topology = builder.build()
  return { topology, nodes: [...topology.nodes.values()].slice(2) as OperatorNode[] }
}

/** What such a stage makes of one record. */
function worked(node: OperatorNode, value: number): unknown[] {
  const stage = new FakeStage(node.name)
  return runOperator(stage, node.build(stage))
    .work(recordOf('k', value))
    .map((record) => [record.key, record.value])
}

describe('KStream, stages that keep the key', () => {
  it.each<[string, (stream: In) => Groupable, unknown[]]>([
    ['filter', (stream) => stream.filter((_key, value) => value === 2), [['k', 2]]],
    ['filterNot', (stream) => stream.filterNot((_key, value) => value === 2), []],
    ['mapValues', (stream) => stream.mapValues((value) => value * 10), [['k', 20]]],
    [
      'flatMapValues',
      (stream) => stream.flatMapValues((value) => [value, 0]),
      [
        ['k', 2],
        ['k', 0],
      ],
    ],
    ['peek', (stream) => stream.peek(() => undefined), [['k', 2]]],
    [
      'pipeValues',
      (stream) => stream.pipeValues((values) => values.pipe(rx.map((value) => -value))),
      [['k', -2]],
    ],
    [
      'processValues',
      (stream) =>
        stream.processValues(() => ({ process: (record, context) => context.forward(record.value) })),
      [['k', 2]],
    ],
  ])('%s does what it says, and grouping behind it needs no repartition', (operator, call, outputs) => {
    const { topology, nodes } = added((stream) => call(stream).groupByKey().count())
    expect(nodes.map((node) => node.operator)).toEqual([operator, 'count'])
    expect(nodes[0]!.parents).toEqual(['source-01'])
    expect(worked(nodes[0]!, 2)).toEqual(outputs)
    expect(topology.subTopologies).toHaveLength(1)
  })
})

describe('KStream, stages that may change the key', () => {
  it.each<[string, (stream: In) => Groupable, unknown[]]>([
    ['map', (stream) => stream.map((key, value) => [value, key]), [[2, 'k']]],
    ['flatMap', (stream) => stream.flatMap((key, value) => [[`${key}!`, value]]), [['k!', 2]]],
    ['selectKey', (stream) => stream.selectKey((_key, value) => value), [[2, 2]]],
    ['pipe', (stream) => stream.pipe((records) => records.pipe(rx.take(1))), [['k', 2]]],
    [
      'process',
      (stream) =>
        stream.process(() => ({
          process: (record, context) => context.forward({ key: 1, value: record.key }),
        })),
      [[1, 'k']],
    ],
  ])('%s does what it says, and grouping behind it repartitions', (operator, call, outputs) => {
    const { topology, nodes } = added((stream) => call(stream).groupByKey().count())
    expect(nodes.map((node) => node.operator ?? node.type)).toEqual([operator, 'repartition', 'count'])
    expect(worked(nodes[0]!, 2)).toEqual(outputs)
    expect(topology.subTopologies).toHaveLength(2)
  })
})

describe('KStream', () => {
  it('depends on order in processors only, of the stages that are not aggregations', () => {
    const { nodes } = added((stream) => {
      stream.filter(() => true).mapValues((value) => value)
      stream.peek(() => undefined).selectKey((key) => key)
      stream.process(() => ({ process: () => undefined }))
      stream.processValues(() => ({ process: () => undefined }), { stores: ['ids'] })
    })
    const dependent = nodes.filter((node) => node.orderDependent).map((node) => node.operator)
    expect(dependent).toEqual(['process', 'processValues'])
    expect(nodes.at(-1)!.stores).toEqual(['ids'])
  })

  it('may be used again: each call hangs on the same stage', () => {
    const { nodes } = added((stream) => {
      stream.filter(() => true, { name: 'one' })
      stream.filter(() => true, { name: 'two' })
    })
    expect(nodes.map(({ parents }) => parents)).toEqual([['source-01'], ['source-01']])
  })

  it('takes names and error policies for every stage, and numbers stages that have none', () => {
    const { nodes } = added((stream) =>
      stream
        .filter(() => true, { name: 'mine', onError: 'fail', retry: { retries: 3 } })
        .peek(() => undefined),
    )
    expect(nodes[0]).toMatchObject({ name: 'mine', policy: { onError: 'fail', retry: { retries: 3 } } })
    expect(nodes[1]).toMatchObject({ name: 'peek-04', policy: {} })
  })

  it('merges streams: the stage has all of them for parents, and is rekeyed where one of them is', () => {
    const { topology, nodes } = added((stream) => {
      const other = stream.filter(() => true, { name: 'a' })
      stream
        .merge(
          other,
          stream.selectKey((key) => key, { name: 'b' }),
        )
        .groupByKey({ name: 'again' })
    })
    expect(nodes.find(({ operator }) => operator === 'merge')!.parents).toEqual(['source-01', 'a', 'b'])
    expect(topology.nodes.has('again')).toBe(true)
    const plain = added((stream) =>
      stream
        .merge(stream.filter(() => true))
        .groupByKey()
        .count(),
    )
    expect(plain.topology.subTopologies).toHaveLength(1)
  })

  it('refuses to merge with a stream of another builder', () => {
    const builder = new StreamsBuilder()
    const foreign = new StreamsBuilder().stream<string, number>('elsewhere')
    builder.stream<string, number>('in').merge(foreign).to('out')
    expect(() => builder.build()).toThrow(/another builder/)
  })

  it('writes to a topic with the serdes given, or known, or text and JSON', () => {
    const { topology } = added((stream) => {
      stream.to('plain', { name: 'plain' })
      stream.mapValues(() => 1n).to('given', { name: 'given', value: Serdes.int64(), onError: 'skip' })
      stream
        .map(() => [1, 2] as const)
        .to('forgotten', { name: 'forgotten', partitionBy: (key) => String(key) })
    })
    const sinkOf = (name: string) => {
      const node = nodeOf(topology, name)
      if (node.type !== 'sink') throw new Error(`${name} is no sink`)
      return [node.topic, node.key.name, node.value.name, node.policy.onError, node.partitionBy?.(5, 0)]
    }
    expect(sinkOf('plain')).toEqual(['plain', 'string', 'json', undefined, undefined])
    expect(sinkOf('given')).toEqual(['given', 'string', 'int64', 'skip', undefined])
    expect(sinkOf('forgotten')).toEqual(['forgotten', 'string', 'json', undefined, '5'])
  })

  it('repartitions by hand, under a name and with a partition count', () => {
    const { topology } = added((stream) =>
      stream.repartition({ name: 'spread', partitions: 7, value: Serdes.double() }).groupByKey().count(),
    )
    expect(nodeOf(topology, 'spread')).toMatchObject({ type: 'repartition', partitions: 7 })
    // The keys are partitioned as they are now: no second repartition.
    expect(topology.subTopologies).toHaveLength(2)
  })

  it('groups by a new key through a repartition topic named by the caller', () => {
    const { topology, nodes } = added((stream) =>
      stream.groupBy((_key, value) => value, { name: 'by-value', key: Serdes.int32() }).count(),
    )
    expect(nodes.map((node) => node.operator ?? node.type)).toEqual(['selectKey', 'repartition', 'count'])
    expect(nodeOf(topology, 'by-value')).toMatchObject({ key: { name: 'int32' }, value: { name: 'json' } })
  })
})
