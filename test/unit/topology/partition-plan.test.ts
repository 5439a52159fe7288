import { describe, expect, it } from 'vitest'
import { TopologyError } from '../../../src/errors.ts'
import type { KStream } from '../../../src/topology/kstream.ts'
import { planPartitions } from '../../../src/topology/partition-plan.ts'
import { StreamsBuilder } from '../../../src/topology/streams-builder.ts'

type Any = KStream<string, unknown>

/** The plan of what `make` builds, with these partition counts of topics. */
function plan(make: (builder: StreamsBuilder) => void, counts: Record<string, number>) {
  const builder = new StreamsBuilder()
  make(builder)
  return planPartitions(builder.build(), new Map(Object.entries(counts)))
}

function problemsOf(
  make: (builder: StreamsBuilder) => void,
  counts: Record<string, number>,
): readonly string[] {
  try {
    plan(make, counts)
  } catch (error) {
    if (error instanceof TopologyError) return error.problems
    throw error
  }
  return []
}

describe('planPartitions', () => {
  it('runs as many tasks as the largest input of a part has partitions', () => {
    const { tasks } = plan(
      (builder) => {
        builder.stream(['a', 'b']).to('out')
        builder.stream('c').to('out')
      },
      { a: 2, b: 5, c: 1 },
    )
    expect(tasks).toEqual([5, 1])
  })

  it('gives a repartition topic the count it is declared with', () => {
    const { counts, tasks } = plan(
      (builder) => builder.stream('in').repartition({ name: 'r', partitions: 7 }).to('out'),
      { in: 2 },
    )
    expect([counts.get('r'), tasks]).toEqual([7, [2, 7]])
  })

  it('gives it the count of the other inputs of its receiver, where nothing is declared', () => {
    const { counts } = plan(
      (builder) => {
        const other: Any = builder.stream('other')
        other
          .merge(builder.stream('in').repartition({ name: 'r' }) as Any)
          .groupByKey()
          .count()
      },
      { in: 2, other: 5 },
    )
    expect(counts.get('r')).toBe(5)
  })

  it('gives it the count of a declared repartition beside it, declared earlier or later', () => {
    for (const partitions of [
      [3, undefined],
      [undefined, 3],
    ]) {
      const { counts } = plan(
        (builder) => {
          const [one, two] = partitions.map((count, index) =>
            builder
              .stream(`t${index}`)
              .repartition({ name: `r${index}`, ...(count && { partitions: count }) }),
          )
          one!.merge(two!).groupByKey().count()
        },
        { t0: 8, t1: 9 },
      )
      expect([counts.get('r0'), counts.get('r1')]).toEqual([3, 3])
    }
  })

  it('gives it the largest count of its sender, where nothing else is known', () => {
    const { counts } = plan((builder) => builder.stream(['a', 'b']).repartition({ name: 'r' }).to('out'), {
      a: 2,
      b: 6,
    })
    expect(counts.get('r')).toBe(6)
  })

  it('carries counts through several hops', () => {
    const { counts, tasks } = plan(
      (builder) => {
        const first = builder.stream('in').repartition({ name: 'r1', partitions: 4 })
        first.repartition({ name: 'r2' }).repartition({ name: 'r3' }).to('out')
      },
      { in: 1 },
    )
    expect([counts.get('r2'), counts.get('r3')]).toEqual([4, 4])
    expect(tasks).toEqual([1, 4, 4, 4])
  })

  it('leaves the counts it was given alone', () => {
    const given = new Map([['in', 2]])
    const builder = new StreamsBuilder()
    builder.stream('in').repartition({ name: 'r' }).to('out')
    planPartitions(builder.build(), given)
    expect([...given]).toEqual([['in', 2]])
  })

  it('refuses inputs that share state and differ in partitions, all of them in one error', () => {
    const problems = problemsOf(
      (builder) => {
        builder.stream(['a', 'b']).groupByKey().count()
        const other: Any = builder.stream('c')
        other
          .merge(builder.stream('d').repartition({ name: 'r', partitions: 3 }) as Any)
          .groupByKey()
          .count()
      },
      { a: 1, b: 2, c: 2, d: 1 },
    )
    expect(problems).toEqual([
      'inputs that share state must have equally many partitions: a has 1, b has 2',
      'inputs that share state must have equally many partitions: c has 2, repartition r has 3',
    ])
  })

  it('lets inputs without state differ', () => {
    expect(problemsOf((builder) => builder.stream(['a', 'b']).to('out'), { a: 1, b: 2 })).toEqual([])
  })
})
