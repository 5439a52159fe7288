import { describe, expect, it } from 'vitest'
import { TopologyError } from '../../../src/errors.ts'
import { Serdes } from '../../../src/serde/serdes.ts'
import { TimeWindows } from '../../../src/time/windows.ts'
import { Stores } from '../../../src/topology/stores.ts'
import { StreamsBuilder } from '../../../src/topology/streams-builder.ts'
import { isLegalName } from '../../../src/topology/validation.ts'

const noop = () => ({ process: () => undefined })
const key = Serdes.string()
const value = Serdes.json<number>()

function problemsOf(make: (builder: StreamsBuilder) => void): readonly string[] {
  const builder = new StreamsBuilder()
  make(builder)
  try {
    builder.build()
  } catch (error) {
    if (error instanceof TopologyError) return error.problems
    throw error
  }
  return []
}

describe('validateTopology', () => {
  it('has nothing to say about a good topology', () => {
    const problems = problemsOf((builder) => {
      builder.addStateStore(Stores.keyValueStore({ name: 'ids', key, value, ttlMs: 1 }))
      builder
        .stream('in', { onError: 'fail', retry: { retries: 1, initialBackoffMs: 1, maxBackoffMs: 1 } })
        .process(noop, { stores: ['ids'] })
        .repartition({ partitions: 3 })
        .to('out')
    })
    expect(problems).toEqual([])
  })

  it('tells all problems in one message, a line each', () => {
    const builder = new StreamsBuilder()
    builder.addStateStore(Stores.keyValueStore({ name: 'lonely', key, value, ttlMs: 0 }))
    builder
      .stream('in', { name: 'a b' })
      .process(noop, { stores: ['missing'] })
      .to('in', { name: 'back' })
    expect(() => builder.build()).toThrow(
      new TopologyError([
        '"a b" cannot be a name: use 1 to 200 letters, digits, ".", "_" or "-"',
        'back: writes topic in, which the topology reads: an endless loop',
        'process-02: there is no store named "missing"',
        'store "lonely" is not connected to any stage',
        'store "lonely": ttlMs must be a positive integer of milliseconds, not 0',
      ]),
    )
  })

  it('asks for a source', () => {
    expect(problemsOf(() => undefined)).toEqual(['it has no source: call stream(topic) first'])
  })

  it('refuses names that cannot become part of a topic name', () => {
    const problems = problemsOf((builder) => {
      builder.addStateStore(Stores.keyValueStore({ name: 'stör', key, value }))
      builder.stream('in', { name: '' }).process(noop, { stores: ['stör'], name: 'x'.repeat(201) })
    })
    expect(problems).toHaveLength(3)
    for (const problem of problems) expect(problem).toMatch(/cannot be a name/)
  })

  it('refuses topic names that no log takes, wherever they are named', () => {
    const problems = problemsOf((builder) => {
      const windows = TimeWindows.ofSizeWithNoGrace(1)
      const stream = builder.stream(['ok', '..'], { name: 'in' })
      stream.groupByKey().windowedBy(windows, { lateTopic: 'late/x' }).count({ name: 'w' })
      stream.to('out topic', { name: 'out' })
    })
    expect(problems).toEqual([
      'in: ".." cannot be a topic name',
      'w: "late/x" cannot be a topic name',
      'out: "out topic" cannot be a topic name',
    ])
  })

  it('refuses to read a topic twice, by two sources or by one', () => {
    const problems = problemsOf((builder) => {
      builder.stream(['a', 'b'], { name: 'one' })
      builder.stream(['b'], { name: 'two' })
      builder.stream(['c', 'c'], { name: 'three' })
      builder.stream([], { name: 'four' })
    })
    expect(problems).toEqual([
      'topic b is read by one and again by two: read it once and branch',
      'topic c is read by three and again by three: read it once and branch',
      'four: names no topic to read',
    ])
  })

  it('refuses to write what it reads, also as late records', () => {
    const problems = problemsOf((builder) => {
      const windows = TimeWindows.ofSizeWithNoGrace(1)
      const stream = builder.stream(['a', 'b'])
      stream.to('b', { name: 'out' })
      stream.groupByKey().windowedBy(windows, { lateTopic: 'a' }).count({ name: 'w' })
    })
    expect(problems).toEqual([
      'out: writes topic b, which the topology reads: an endless loop',
      'w: writes topic a, which the topology reads: an endless loop',
    ])
  })

  it('refuses a repartition named like a topic that is read: both are inputs, known by their names', () => {
    const problems = problemsOf((builder) => {
      builder.stream('orders').groupBy((orderKey) => orderKey, { name: 'orders' })
    })
    expect(problems).toEqual(['orders: a repartition cannot have the name of a topic that is read'])
  })

  it.each([0, -5, 1.5, NaN, Infinity])('refuses a time to live of %d ms', (ttlMs) => {
    const problems = problemsOf((builder) => {
      builder.addStateStore(Stores.keyValueStore({ name: 'ids', key, value, ttlMs }))
      builder.stream('in').process(noop, { stores: ['ids'] })
    })
    expect(problems).toEqual([`store "ids": ttlMs must be a positive integer of milliseconds, not ${ttlMs}`])
  })

  it.each([0, -1, 2.5, NaN, Infinity])('refuses a repartition into %d partitions', (partitions) => {
    const problems = problemsOf((builder) => void builder.stream('in').repartition({ name: 'r', partitions }))
    expect(problems).toEqual([`r: partitions must be an integer of at least 1, not ${partitions}`])
  })

  it('refuses retries and waits that are none, of any kind of stage', () => {
    const problems = problemsOf((builder) => {
      const retry = { retries: 0, initialBackoffMs: -1, maxBackoffMs: NaN }
      const stream = builder.stream('in', { name: 'source', retry: { retries: 1.5 } })
      stream.filter(() => true, { name: 'stage', retry }).to('out', { name: 'sink', retry: { retries: -1 } })
    })
    expect(problems).toEqual([
      'source: retries must be an integer of at least 1, not 1.5',
      'stage: retries must be an integer of at least 1, not 0',
      'stage: initialBackoffMs must be positive, not -1',
      'stage: maxBackoffMs must be positive, not NaN',
      'sink: retries must be an integer of at least 1, not -1',
    ])
  })
})

describe('isLegalName', () => {
  it('takes what topic names are made of', () => {
    for (const name of ['a', 'A.b_c-9', '...', 'x'.repeat(200)]) expect(isLegalName(name)).toBe(true)
    for (const name of ['', '.', '..', 'a b', 'ä', 'a/b', 'a\n', 'x'.repeat(201)])
      expect(isLegalName(name)).toBe(false)
  })
})
