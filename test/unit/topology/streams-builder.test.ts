import { describe, expect, it } from 'vitest'
import { TopologyError } from '../../../src/errors.ts'
import { Serdes } from '../../../src/serde/serdes.ts'
import { Stores } from '../../../src/topology/stores.ts'
import { StreamsBuilder } from '../../../src/topology/streams-builder.ts'
import { nodeOf } from '../../../src/topology/topology.ts'

describe('StreamsBuilder', () => {
  it('reads one topic with text keys and JSON values, and the time of the record', () => {
    const builder = new StreamsBuilder()
    builder.stream('in')
    expect(nodeOf(builder.build(), 'source-01')).toMatchObject({
      type: 'source',
      topics: ['in'],
      key: { name: 'string' },
      value: { name: 'json' },
      timestamp: undefined,
      policy: {},
    })
  })

  it('reads several topics as one stream, in one order whatever order they were named in', () => {
    const builder = new StreamsBuilder()
    const named = ['b', 'c', 'a']
    builder.stream(named, { name: 'all', key: Serdes.int32(), value: Serdes.double(), onError: 'skip' })
    expect(nodeOf(builder.build(), 'all')).toMatchObject({
      topics: ['a', 'b', 'c'],
      key: { name: 'int32' },
      value: { name: 'double' },
      policy: { onError: 'skip' },
    })
    expect(named).toEqual(['b', 'c', 'a'])
  })

  it('takes event time from where it is told', () => {
    const builder = new StreamsBuilder()
    builder.stream<string, { at: number }>('in', { name: 's', timestamp: (value) => value.at })
    const node = nodeOf(builder.build(), 's')
    if (node.type !== 'source') throw new Error('not a source')
    expect(node.timestamp!({ at: 77 }, 'k', undefined as never)).toBe(77)
  })

  it('adds stores for processors', () => {
    const builder = new StreamsBuilder()
    const store = Stores.keyValueStore({ name: 'ids', key: Serdes.string(), value: Serdes.json<number>() })
    expect(builder.addStateStore(store)).toBe(builder)
    builder.stream('in').process(() => ({ process: () => undefined }), { stores: ['ids'] })
    expect(builder.build().stores.get('ids')).toBe(store)
  })

  it('gives topologies that later calls do not change', () => {
    const builder = new StreamsBuilder()
    const stream = builder.stream('in')
    const before = builder.build()
    stream.to('out')
    expect(before.nodes.size).toBe(1)
    expect(builder.build().nodes.size).toBe(2)
  })

  it('refuses to build what is not valid', () => {
    expect(() => new StreamsBuilder().build()).toThrow(TopologyError)
  })
})
