import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { describeTopology } from '../../../src/topology/describe.ts'
import { describeAsMermaid } from '../../../src/topology/mermaid.ts'
import { StreamsBuilder } from '../../../src/topology/streams-builder.ts'
import { buildProgram, programs } from '../../support/random-topology.ts'

const drawn = (builder: StreamsBuilder): string => describeAsMermaid(describeTopology(builder.build()))

describe('describeAsMermaid', () => {
  it('draws a box per sub-topology, a shape per kind of node, and all arrows', () => {
    const builder = new StreamsBuilder()
    builder.stream('readings', { name: 'in' }).repartition({ name: 'spread' }).to('out', { name: 'results' })
    expect(drawn(builder)).toBe(
      [
        'flowchart TD',
        '  subgraph s0["sub-topology 0"]',
        '    n_in[("<b>in</b><br/>source<br/>topics readings<br/>string -> json")]',
        '    n_spread{{"<b>spread</b><br/>repartition<br/>to topic …-spread-repartition"}}',
        '  end',
        '  subgraph s1["sub-topology 1"]',
        '    n_results[("<b>results</b><br/>sink<br/>topic out<br/>string -> json")]',
        '  end',
        '  n_in --> n_spread',
        '  n_spread --> n_results',
        '',
      ].join('\n'),
    )
  })

  it('draws every node once and every edge once', () => {
    fc.assert(
      fc.property(programs, (program) => {
        const topology = buildProgram(program)
        const lines = describeAsMermaid(describeTopology(topology)).split('\n')
        const boxes = lines.filter((line) => /^ {4}n_/.test(line))
        const arrows = lines.filter((line) => line.includes(' --> '))
        expect(boxes).toHaveLength(topology.nodes.size)
        const edges = new Set(
          [...topology.nodes.values()].flatMap(({ name, parents }) =>
            parents.map((parent) => `${parent}>${name}`),
          ),
        )
        expect(new Set(arrows).size).toBe(edges.size)
        expect(arrows).toHaveLength(edges.size)
      }),
      { seed: 91, numRuns: 100 },
    )
  })

  it('keeps nodes apart whose names differ in a sign only', () => {
    const builder = new StreamsBuilder()
    const stream = builder.stream('readings')
    for (const name of ['a-b', 'a_b', 'a.b', 'a__b', 'a-.b']) stream.filter(() => true, { name })
    const ids = [...drawn(builder).matchAll(/^ {4}(n_\w+)\[/gm)].map(([, id]) => id)
    expect(new Set(ids).size).toBe(6)
  })

  it('escapes what would end a label', () => {
    const description = { name: 'say "hi"', kind: 'filter', details: [], feeds: [] }
    const text = describeAsMermaid({
      subTopologies: [{ id: 0, order: 'canonical', nodes: [description], stores: [] }],
    })
    expect(text).toContain('["<b>say #quot;hi#quot;</b><br/>filter"]')
  })
})
