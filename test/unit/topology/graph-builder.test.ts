import { describe, expect, it } from 'vitest'
import { Serdes } from '../../../src/serde/serdes.ts'
import { GraphBuilder } from '../../../src/topology/graph-builder.ts'
import { eraseStore, Stores } from '../../../src/topology/stores.ts'
import type { SourceNode } from '../../../src/topology/topology.ts'

function source(name: string, topic: string): SourceNode {
  const serde = Serdes.json<unknown>()
  return {
    type: 'source',
    name,
    parents: [],
    policy: {},
    topics: [topic],
    key: serde,
    value: serde,
    timestamp: undefined,
  }
}

describe('GraphBuilder', () => {
  it('numbers all stages in the order of the calls, whether they are given names or not', () => {
    const graph = new GraphBuilder()
    expect(graph.nameFor('filter', undefined)).toBe('filter-01')
    expect(graph.nameFor('filter', 'mine')).toBe('mine')
    expect(graph.nameFor('map', undefined)).toBe('map-03')
  })

  it('keeps nodes in the order of the calls', () => {
    const graph = new GraphBuilder()
    graph.addNode(source('b', 'one'))
    graph.addNode(source('a', 'two'))
    expect([...graph.build().nodes.keys()]).toEqual(['b', 'a'])
  })

  it('tells every problem at once: doubled stages and stores, and what it was told', () => {
    const graph = new GraphBuilder()
    const store = eraseStore(
      Stores.keyValueStore({ name: 'ids', key: Serdes.string(), value: Serdes.string() }),
    )
    graph.addNode(source('a', 'one'))
    graph.addNode(source('a', 'two'))
    graph.addStore(store)
    graph.addStore({ ...store })
    graph.addProblem('something else')
    expect(() => graph.build()).toThrow(
      expect.objectContaining({
        problems: [
          'two stages are named "a"',
          'two stores are named "ids"',
          'something else',
          'store "ids" is not connected to any stage',
        ],
      }),
    )
  })

  it('takes the same store twice, as processors that share it add it', () => {
    const graph = new GraphBuilder()
    const store = eraseStore(
      Stores.keyValueStore({ name: 'ids', key: Serdes.string(), value: Serdes.string() }),
    )
    graph.addNode(source('a', 'one'))
    graph.addStore(store)
    graph.addStore(store)
    expect(() => graph.build()).toThrow(
      expect.objectContaining({ problems: ['store "ids" is not connected to any stage'] }),
    )
  })
})
