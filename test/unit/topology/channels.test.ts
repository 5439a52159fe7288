import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { TopologyError } from '../../../src/errors.ts'
import { TimeWindows } from '../../../src/time/windows.ts'
import {
  channelKey,
  channelsInto,
  channelsOfTask,
  feedsOf,
  inputsOf,
  resultsOrigin,
  taskCountOf,
  type Channel,
  type PartitionCounts,
} from '../../../src/topology/channels.ts'
import { planPartitions } from '../../../src/topology/partition-plan.ts'
import { StreamsBuilder } from '../../../src/topology/streams-builder.ts'
import { childrenOf, type Topology } from '../../../src/topology/topology.ts'
import { buildProgram, programs, topicsOf, type Program } from '../../support/random-topology.ts'

/**
 * The definition, forward: every task of every part lets what it reads flow down its graph; what reaches a repartition
 * node is a channel into it, and goes on in all tasks that read the node.
 */
function flowing(topology: Topology, counts: PartitionCounts): Map<string, Set<string>> {
  const arrived = new Map<string, Set<string>>()
  const arrive = (node: string, channel: Channel, task: number): void => {
    for (const child of childrenOf(topology, node)) pass(child, channel, task)
  }
  const pass = (name: string, channel: Channel, task: number): void => {
    const node = topology.nodes.get(name)!
    if (node.type === 'repartition') {
      const known = arrived.get(name) ?? new Set()
      arrived.set(name, known)
      if (known.has(channelKey(channel))) return
      known.add(channelKey(channel))
      for (let next = 0; next < counts.get(name)!; next++) {
        arrive(name, { ...channel, path: [...channel.path, { repartition: name, task: next }] }, next)
      }
    } else if (node.type === 'operator' && node.windowed?.emit === 'onWindowClose') {
      arrive(name, { origin: { topic: resultsOrigin(name), partition: task }, path: [] }, task)
    } else arrive(name, channel, task)
  }
  for (const node of topology.nodes.values()) {
    if (node.type !== 'source') continue
    for (const topic of node.topics) {
      for (let partition = 0; partition < counts.get(topic)!; partition++)
        arrive(node.name, { origin: { topic, partition }, path: [] }, partition)
    }
  }
  return arrived
}

/** Programs with a partition count for each topic. */
const counted = fc.tuple(
  programs,
  fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 6, maxLength: 6 }),
  fc.boolean(),
)

/** The plan for a program; programs whose inputs are not co-partitioned are passed over. */
function planned([program, numbers, alike]: [Program, number[], boolean]) {
  const topology = buildProgram(program)
  const sources = topicsOf(program).map((topic, index) => [topic, numbers[alike ? 0 : index]!] as const)
  try {
    return { topology, counts: planPartitions(topology, new Map(sources)).counts }
  } catch (error) {
    fc.pre(!(error instanceof TopologyError))
    throw error
  }
}

/** Canonical order, word for word: origin topic, origin partition, path. */
function inOrder(channels: readonly Channel[]): Channel[] {
  const sortKey = ({ origin, path }: Channel): string =>
    [
      origin.topic,
      String(origin.partition).padStart(4, '0'),
      ...path.flatMap(({ repartition, task }) => [repartition, String(task).padStart(4, '0')]),
    ].join('\0')
  return [...channels].sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1))
}

describe('channelsInto', () => {
  it('names exactly the streams that can arrive, whatever the graph and the partition counts', () => {
    fc.assert(
      fc.property(counted, (choice) => {
        const { topology, counts } = planned(choice)
        const arrived = flowing(topology, counts)
        for (const node of topology.nodes.values()) {
          if (node.type !== 'repartition') continue
          const channels = channelsInto(node.name, topology, counts)
          expect(new Set(channels.map(channelKey))).toEqual(arrived.get(node.name) ?? new Set())
          expect(new Set(channels.map(channelKey)).size).toBe(channels.length)
        }
      }),
      { seed: 71, numRuns: 300 },
    )
  })

  it('lists them in canonical order', () => {
    fc.assert(
      fc.property(counted, (choice) => {
        const { topology, counts } = planned(choice)
        for (const node of topology.nodes.values()) {
          if (node.type !== 'repartition') continue
          const channels = channelsInto(node.name, topology, counts)
          expect(channels).toEqual(inOrder(channels))
        }
      }),
      { seed: 72, numRuns: 200 },
    )
  })

  it('expects nothing by way of tasks that do not read a hop, which has fewer partitions than other inputs', () => {
    const builder = new StreamsBuilder()
    const hop = builder.stream('in').repartition({ name: 'hop', partitions: 1 })
    builder.stream('wide').merge(hop).repartition({ name: 'last' })
    const counts = new Map([
      ['in', 1],
      ['hop', 1],
      ['wide', 2],
      ['last', 1],
    ])
    const topology = builder.build()
    expect(channelsInto('last', topology, counts).map(channelKey)).toEqual([
      'in/0 via 0>hop',
      'wide/0',
      'wide/1',
    ])
  })

  it('tells tasks in between apart over two hops, each of which keeps its own order', () => {
    const builder = new StreamsBuilder()
    builder
      .stream('in')
      .repartition({ name: 'r1' })
      .filter(() => true)
      .repartition({ name: 'r2' })
    const counts = new Map([
      ['in', 2],
      ['r1', 3],
      ['r2', 1],
    ])
    expect(channelsInto('r2', builder.build(), counts).map(channelKey)).toEqual([
      'in/0 via 0>r1',
      'in/0 via 1>r1',
      'in/0 via 2>r1',
      'in/1 via 0>r1',
      'in/1 via 1>r1',
      'in/1 via 2>r1',
    ])
  })

  it('begins anew at windows that close: their results come from the emitting task', () => {
    const builder = new StreamsBuilder()
    builder
      .stream('in')
      .groupByKey()
      .windowedBy(TimeWindows.ofSizeWithNoGrace(1))
      .count({ name: 'hourly' })
      .toStream(({ key }) => key)
      .merge(builder.stream('plain') as never)
      .repartition({ name: 'r' })
    const counts = new Map([
      ['in', 2],
      ['plain', 2],
      ['r', 2],
    ])
    expect(channelsInto('r', builder.build(), counts).map(channelKey)).toEqual([
      'plain/0',
      'plain/1',
      'results:hourly/0',
      'results:hourly/1',
    ])
  })

  it('sorts partitions as numbers, not as text', () => {
    const builder = new StreamsBuilder()
    builder.stream('in').repartition({ name: 'r' })
    const counts = new Map([
      ['in', 11],
      ['r', 1],
    ])
    const partitions = channelsInto('r', builder.build(), counts).map(({ origin }) => origin.partition)
    expect(partitions).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  })

  it('complains about a topic whose partition count it was not told', () => {
    const builder = new StreamsBuilder()
    builder.stream('in').repartition({ name: 'r' })
    expect(() => channelsInto('r', builder.build(), new Map([['r', 1]]))).toThrow(/in is not known/)
  })
})

describe('channelsOfTask', () => {
  const builder = new StreamsBuilder()
  const stream = builder.stream(['zulu', 'alpha'], { name: 'both' })
  const spread = stream.repartition({ name: 'spread' })
  builder.stream('mike').merge(spread).to('out')
  const topology = builder.build()
  const counts = new Map([
    ['alpha', 2],
    ['zulu', 1],
    ['mike', 1],
    ['spread', 2],
  ])

  it('has a channel per source partition, and one per origin of a repartition, in canonical order', () => {
    const receiver = topology.subTopologies[1]!
    expect(inputsOf(receiver, topology)).toEqual([
      { name: 'spread', isRepartition: true },
      { name: 'mike', isRepartition: false },
    ])
    const channels = channelsOfTask(receiver, 0, topology, counts)
    expect(channels.map((channel) => [channelKey(channel), channel.input, channel.numberInInput])).toEqual([
      ['alpha/0', 'spread', 0],
      ['alpha/1', 'spread', 1],
      ['mike/0', 'mike', 0],
      ['zulu/0', 'spread', 2],
    ])
  })

  it('leaves out inputs that have no such partition', () => {
    const receiver = topology.subTopologies[1]!
    expect(channelsOfTask(receiver, 1, topology, counts).map(({ input }) => input)).toEqual([
      'spread',
      'spread',
      'spread',
    ])
    const sender = topology.subTopologies[0]!
    expect(channelsOfTask(sender, 1, topology, counts).map(channelKey)).toEqual(['alpha/1'])
  })

  it('tells one origin apart that reaches a task through two inputs', () => {
    const two = new StreamsBuilder()
    const source = two.stream('in')
    source
      .repartition({ name: 'right' })
      .merge(source.repartition({ name: 'left' }))
      .to('out')
    const built = two.build()
    const both = new Map([
      ['in', 1],
      ['left', 1],
      ['right', 1],
    ])
    const channels = channelsOfTask(built.subTopologies[1]!, 0, built, both)
    expect(channels.map(({ origin, input }) => `${origin.topic} by ${input}`)).toEqual([
      'in by left',
      'in by right',
    ])
  })

  it('counts tasks by the largest input', () => {
    expect(topology.subTopologies.map((part) => taskCountOf(part, topology, counts))).toEqual([2, 2])
  })
})

describe('feedsOf', () => {
  it('walks up to sources, closing windows and further repartitions, and no further', () => {
    const builder = new StreamsBuilder()
    const source = builder.stream(['b', 'a'])
    const far = source.repartition({ name: 'far' })
    const windows = far.groupByKey().windowedBy(TimeWindows.ofSizeWithNoGrace(1)).count({ name: 'w' })
    windows
      .toStream(({ key }) => key)
      .merge(far as never, builder.stream('c') as never)
      .repartition({ name: 'near' })
    const topology = builder.build()
    expect(feedsOf('far', topology)).toEqual({
      topics: new Set(['a', 'b']),
      emitters: new Set(),
      repartitions: new Set(),
    })
    expect(feedsOf('near', topology)).toEqual({
      topics: new Set(['c']),
      emitters: new Set(['w']),
      repartitions: new Set(['far']),
    })
  })
})
