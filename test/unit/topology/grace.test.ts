import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EmitStrategy } from '../../../src/time/emit-strategy.ts'
import { TimeWindows } from '../../../src/time/windows.ts'
import { pathGraceMs, updateGraceMs } from '../../../src/topology/grace.ts'
import type { KStream } from '../../../src/topology/kstream.ts'
import { StreamsBuilder } from '../../../src/topology/streams-builder.ts'
import { nodeOf, type OperatorNode, type Topology } from '../../../src/topology/topology.ts'
import { buildProgram, programs } from '../../support/random-topology.ts'

/** All ways from the inputs of the sub-topology to a node, as the operators they pass, the nearest last. */
function waysTo(topology: Topology, name: string): OperatorNode[][] {
  const node = nodeOf(topology, name)
  const parents = node.parents.filter((parent) => nodeOf(topology, parent).type !== 'repartition')
  if (parents.length < node.parents.length || node.parents.length === 0) {
    return [[], ...parents.flatMap((parent) => waysThrough(topology, parent))]
  }
  return parents.flatMap((parent) => waysThrough(topology, parent))
}

function waysThrough(topology: Topology, parent: string): OperatorNode[][] {
  const node = nodeOf(topology, parent)
  return waysTo(topology, parent).map((way) => (node.type === 'operator' ? [...way, node] : way))
}

const sum = (way: readonly OperatorNode[]): number =>
  way.reduce((total, { windowed }) => total + (windowed?.windows.graceMs ?? 0), 0)

/** The part of a way behind the last windows that close: their results carry a watermark of their own. */
function behindLastClose(way: readonly OperatorNode[]): readonly OperatorNode[] {
  const last = way.findLastIndex(({ windowed }) => windowed?.emit === 'onWindowClose')
  return way.slice(last + 1)
}

function chained(stream: KStream<string, unknown>, name: string, graceMs: number, emit: EmitStrategy) {
  return stream
    .groupByKey()
    .windowedBy(TimeWindows.ofSizeAndGrace(10, graceMs))
    .emitStrategy(emit)
    .count({ name })
    .toStream()
    .processValues<unknown>(() => ({ process: () => undefined }), { name: `behind-${name}` }) as never
}

describe('grace along a way', () => {
  it('is the largest sum over all ways, as the definition has it', () => {
    fc.assert(
      fc.property(programs, (program) => {
        const topology = buildProgram(program)
        for (const { name } of topology.nodes.values()) {
          const ways = waysTo(topology, name)
          expect(pathGraceMs(topology, name)).toBe(Math.max(...ways.map(sum)))
          expect(updateGraceMs(topology, name)).toBe(
            Math.max(...ways.map((way) => sum(behindLastClose(way)))),
          )
        }
      }),
      { seed: 81, numRuns: 300 },
    )
  })

  it('adds up where windowed operators feed each other without a repartition between', () => {
    const builder = new StreamsBuilder()
    const topology = (() => {
      const stream = builder.stream<string, unknown>('in', { name: 'in' })
      const windows = (graceMs: number) => TimeWindows.ofSizeAndGrace(10, graceMs)
      const first = stream.groupByKey().windowedBy(windows(3)).count({ name: 'first' }).toStream()
      first.merge(stream as never).to('out', { name: 'out' })
      return builder.build()
    })()
    expect(pathGraceMs(topology, 'first')).toBe(0)
    expect(pathGraceMs(topology, 'out')).toBe(3)
    expect(updateGraceMs(topology, 'out')).toBe(0)
  })

  it('lowers carried watermarks behind operators that send updates only', () => {
    const builder = new StreamsBuilder()
    const stream = builder.stream<string, unknown>('in')
    chained(stream, 'updating', 4, EmitStrategy.onWindowUpdate())
    chained(stream, 'closing', 4, EmitStrategy.onWindowClose())
    const topology = builder.build()
    expect(updateGraceMs(topology, 'behind-updating')).toBe(4)
    expect(updateGraceMs(topology, 'behind-closing')).toBe(0)
    expect(pathGraceMs(topology, 'behind-closing')).toBe(4)
  })

  it('begins anew behind a repartition', () => {
    const builder = new StreamsBuilder()
    const stream = builder.stream<string, unknown>('in')
    const results = chained(stream, 'updating', 4, EmitStrategy.onWindowUpdate()) as KStream<string, unknown>
    results.repartition({ name: 'r' }).to('out', { name: 'out' })
    const topology = builder.build()
    expect(updateGraceMs(topology, 'r')).toBe(4)
    expect([pathGraceMs(topology, 'out'), updateGraceMs(topology, 'out')]).toEqual([0, 0])
  })
})
