/** Random topologies for property tests, made with the DSL from a list of choices. */
import fc from 'fast-check'
import { TopologyError } from '../../src/errors.ts'
import { Serdes } from '../../src/serde/serdes.ts'
import { EmitStrategy } from '../../src/time/emit-strategy.ts'
import { TimeWindows } from '../../src/time/windows.ts'
import type { KStream } from '../../src/topology/kstream.ts'
import { StreamsBuilder } from '../../src/topology/streams-builder.ts'
import type { Topology } from '../../src/topology/topology.ts'

const FEEDS_ITSELF = 'receive, through a repartition, what they send themselves'

/** One DSL call: what, on which of the streams there are, with which numbers. */
export interface Call {
  readonly what: 'filter' | 'merge' | 'close' | 'update' | 'repartition' | 'process' | 'sink'
  readonly stream: number
  readonly other: number
  readonly graceMs: number
  /** Of a repartition; 0 for as many as its neighbours. */
  readonly partitions: number
}

/** Topic lists of the sources, and the calls on them. */
export interface Program {
  readonly topics: readonly number[]
  readonly calls: readonly Call[]
}

export const programs: fc.Arbitrary<Program> = fc.record({
  topics: fc.array(fc.integer({ min: 1, max: 2 }), { minLength: 1, maxLength: 3 }),
  calls: fc.array(
    fc.record({
      what: fc.constantFrom(
        'filter' as const,
        'merge' as const,
        'close' as const,
        'update' as const,
        'repartition' as const,
        'process' as const,
        'sink' as const,
      ),
      stream: fc.nat(20),
      other: fc.nat(20),
      graceMs: fc.nat(50),
      partitions: fc.nat(3),
    }),
    { maxLength: 12 },
  ),
})

/** All topics of a program: `t0-0`, `t0-1`, `t1-0`, … for two topics of the first source and so on. */
export function topicsOf({ topics }: Program): readonly string[] {
  return topics.flatMap((count, source) => Array.from({ length: count }, (_, index) => `t${source}-${index}`))
}

/**
 * Builds a program. Store names `s0`, `s1`, … are the position of the call that uses them. Programs whose
 * sub-topologies feed themselves, which are refused, are passed over.
 */
export function buildProgram(program: Program): Topology {
  const builder = new StreamsBuilder()
  const streams: KStream<string, unknown>[] = program.topics.map((count, source) =>
    builder.stream<string, unknown>(Array.from({ length: count }, (_, index) => `t${source}-${index}`)),
  )
  program.calls.forEach((call, index) => {
    const stream = streams[call.stream % streams.length]!
    const made = apply(builder, stream, streams[call.other % streams.length]!, call, index)
    if (made !== undefined) streams.push(made)
  })
  try {
    return builder.build()
  } catch (error) {
    fc.pre(
      !(error instanceof TopologyError && error.problems.every((problem) => problem.endsWith(FEEDS_ITSELF))),
    )
    throw error
  }
}

function apply(
  builder: StreamsBuilder,
  stream: KStream<string, unknown>,
  other: KStream<string, unknown>,
  { what, graceMs, partitions }: Call,
  index: number,
): KStream<string, unknown> | undefined {
  switch (what) {
    case 'filter':
      return stream.filter(() => true)
    case 'merge':
      return stream.merge(other)
    case 'sink':
      stream.to(`out-${index}`)
      return undefined
    case 'repartition':
      return stream.repartition({ name: `r${index}`, ...(partitions > 0 && { partitions }) })
    case 'process':
      builder.addStateStore({
        kind: 'key-value',
        name: `s${index}`,
        key: Serdes.string(),
        value: Serdes.json(),
      })
      return stream.process(() => ({ process: () => undefined }), { stores: [`s${index}`] })
    case 'close':
    case 'update':
      return stream
        .repartition({ name: `g${index}` })
        .groupByKey()
        .windowedBy(TimeWindows.ofSizeAndGrace(10, graceMs))
        .emitStrategy(what === 'close' ? EmitStrategy.onWindowClose() : EmitStrategy.onWindowUpdate())
        .count({ name: `w${index}` })
        .toStream(({ key }) => key) as KStream<string, unknown>
  }
}
