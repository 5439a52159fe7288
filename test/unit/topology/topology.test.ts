import { describe, expect, it } from 'vitest'
import { TimeWindows } from '../../../src/time/windows.ts'
import { StreamsBuilder } from '../../../src/topology/streams-builder.ts'
import { childrenOf, nodeOf, outputTopicsOf, sourceTopicsOf } from '../../../src/topology/topology.ts'

const builder = new StreamsBuilder()
const first = builder.stream(['zeta', 'alpha'], { name: 'first' })
const second = builder.stream('mid', { name: 'second' })
first.filter(() => true, { name: 'kept' }).to('out-b', { name: 'sink-b' })
first.merge(second).to('out-a')
second.groupByKey().windowedBy(TimeWindows.ofSizeWithNoGrace(1), { lateTopic: 'late-one' }).count()
second.to('out-b')
const topology = builder.build()

describe('a topology', () => {
  it('answers its nodes by name, and complains about others', () => {
    expect(nodeOf(topology, 'kept').name).toBe('kept')
    expect(() => nodeOf(topology, 'missing')).toThrow('no node named missing')
  })

  it('knows what a node feeds, in the order of the calls', () => {
    expect(childrenOf(topology, 'first')).toEqual(['kept', 'merge-05'])
    expect(childrenOf(topology, 'second')).toEqual(['merge-05', 'windowedCount-07', 'sink-08'])
    expect(childrenOf(topology, 'sink-b')).toEqual([])
  })

  it('knows the topics it reads and those it names to write, each once and sorted', () => {
    expect(sourceTopicsOf(topology)).toEqual(['alpha', 'mid', 'zeta'])
    expect(outputTopicsOf(topology)).toEqual(['late-one', 'out-a', 'out-b'])
  })
})
