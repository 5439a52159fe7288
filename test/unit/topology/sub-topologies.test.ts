import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Serdes } from '../../../src/serde/serdes.ts'
import { Stores } from '../../../src/topology/stores.ts'
import { StreamsBuilder } from '../../../src/topology/streams-builder.ts'
import type { Topology } from '../../../src/topology/topology.ts'
import { buildProgram, programs } from '../../support/random-topology.ts'

const noop = () => ({ process: () => undefined })
const store = (name: string) =>
  Stores.keyValueStore({ name, key: Serdes.string(), value: Serdes.json<number>() })

/**
 * The definition, by spreading colours until nothing changes: the ends of an edge have one colour, and so have a stage
 * and its stores; a repartition node has two, one in front and one behind.
 */
function colours({ nodes }: Topology): Map<string, number> {
  const colour = new Map<string, number>()
  const ends: [string, string][] = []
  for (const node of nodes.values()) {
    colour.set(node.name, colour.size)
    if (node.type === 'repartition') colour.set(`behind ${node.name}`, colour.size)
    for (const parent of node.parents)
      ends.push([node.name, nodes.get(parent)!.type === 'repartition' ? `behind ${parent}` : parent])
    if (node.type === 'operator') for (const name of node.stores) ends.push([node.name, `store ${name}`])
  }
  for (const [, end] of ends) if (!colour.has(end)) colour.set(end, colour.size)
  for (let changed = true; changed;) {
    changed = false
    for (const [one, other] of ends) {
      const least = Math.min(colour.get(one)!, colour.get(other)!)
      if (colour.get(one) === least && colour.get(other) === least) continue
      colour.set(one, least).set(other, least)
      changed = true
    }
  }
  return colour
}

describe('splitIntoSubTopologies', () => {
  it('puts into one part what edges or stores connect, and nothing else', () => {
    fc.assert(
      fc.property(programs, (program) => {
        const topology = buildProgram(program)
        const colour = colours(topology)
        const partOf = new Map<string, number>()
        for (const part of topology.subTopologies) {
          for (const name of part.nodes) partOf.set(name, part.id)
          for (const name of part.stores) partOf.set(`store ${name}`, part.id)
          for (const name of part.sources) {
            if (topology.nodes.get(name)!.type === 'repartition') partOf.set(`behind ${name}`, part.id)
          }
        }
        const names = [...colour.keys()]
        expect([...partOf.keys()].sort()).toEqual([...names].sort())
        for (const one of names) {
          for (const other of names) {
            const together = colour.get(one) === colour.get(other)
            expect(partOf.get(one) === partOf.get(other), `${one} and ${other}`).toBe(together)
          }
        }
      }),
      { seed: 61, numRuns: 300 },
    )
  })

  it('lists nodes, sources, sinks and stores in the order of the calls, and numbers parts by their index', () => {
    fc.assert(
      fc.property(programs, (program) => {
        const topology = buildProgram(program)
        const order = [...topology.nodes.keys()]
        const isSorted = (names: readonly string[]) =>
          names.every((name, index) => index === 0 || order.indexOf(names[index - 1]!) < order.indexOf(name))
        topology.subTopologies.forEach((part, index) => {
          expect(part.id).toBe(index)
          for (const names of [part.nodes, part.sources, part.sinks]) expect(isSorted(names)).toBe(true)
          const ordered = part.nodes.some((name) => {
            const node = topology.nodes.get(name)!
            return node.type === 'operator' && node.orderDependent
          })
          expect(part.ordered).toBe(ordered)
        })
      }),
      { seed: 62, numRuns: 200 },
    )
  })

  it('makes a repartition node a sink of its sender and a source of its receiver', () => {
    const builder = new StreamsBuilder()
    builder.stream('in', { name: 'in' }).repartition({ name: 'by-key' }).to('out', { name: 'out' })
    expect(builder.build().subTopologies).toEqual([
      { id: 0, nodes: ['in', 'by-key'], sources: ['in'], sinks: ['by-key'], stores: [], ordered: false },
      { id: 1, nodes: ['out'], sources: ['by-key'], sinks: ['out'], stores: [], ordered: false },
    ])
  })

  it('keeps streams apart that have nothing in common, and joins those that share a store', () => {
    const build = (shared: boolean): Topology => {
      const builder = new StreamsBuilder()
      builder.addStateStore(store('one'))
      if (!shared) builder.addStateStore(store('two'))
      builder.stream('a').process(noop, { stores: ['one'] })
      builder.stream('b').process(noop, { stores: [shared ? 'one' : 'two'] })
      return builder.build()
    }
    expect(build(false).subTopologies.map(({ stores }) => stores)).toEqual([['one'], ['two']])
    expect(build(true).subTopologies.map(({ stores, ordered }) => [stores, ordered])).toEqual([
      [['one'], true],
    ])
  })
})
