import { describe, expect, it } from 'vitest'
import { Serdes } from '../../../src/serde/serdes.ts'
import { StreamsBuilder } from '../../../src/topology/streams-builder.ts'
import { nodeOf } from '../../../src/topology/topology.ts'

describe('KTable', () => {
  it('is its changes as a stream, without a stage of its own', () => {
    const builder = new StreamsBuilder()
    builder.stream('in').groupByKey().count({ name: 'counts' }).toStream().to('out')
    const topology = builder.build()
    expect([...topology.nodes.keys()]).toEqual(['source-01', 'counts', 'sink-03'])
    expect(nodeOf(topology, 'sink-03').parents).toEqual(['counts'])
  })

  it('keeps the keys partitioned as they were, so that grouping its changes needs no repartition', () => {
    const builder = new StreamsBuilder()
    builder.stream('in').groupByKey().count().toStream().groupByKey().count()
    expect(builder.build().subTopologies).toHaveLength(1)
  })

  it('gives its changes other keys, which later grouping repartitions by', () => {
    const builder = new StreamsBuilder()
    builder
      .stream<string, number>('in')
      .groupByKey()
      .count()
      .toStream((_key, count) => count % 10, { name: 'by-digit', onError: 'skip' })
      .groupByKey({ key: Serdes.int32() })
      .count()
    const topology = builder.build()
    expect(nodeOf(topology, 'by-digit')).toMatchObject({ operator: 'selectKey', policy: { onError: 'skip' } })
    expect(topology.subTopologies).toHaveLength(2)
  })
})
