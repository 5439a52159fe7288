import { describe, expect, it } from 'vitest'
import { planOf } from './oracle.ts'
import { at, from, into, outputs, runFlushed, runOpen, small, windowed } from './small-scenario.ts'
import type { AggregatorSpec, StageSpec } from './topology-spec.ts'

const LIST: AggregatorSpec = { by: 'list', size: 99 }

/** Everything under one key, through one partition. */
function together(input: string, partitions = 1): readonly StageSpec[] {
  return [
    { kind: 'selectKey', name: 'keyed', inputs: [input], key: { by: 'group' } },
    { kind: 'repartition', name: 'r', inputs: ['keyed'], partitions },
  ]
}

const listAll: StageSpec = { kind: 'aggregate', name: 'all', inputs: ['r'], aggregator: LIST }

describe('the canonical order', () => {
  it('merges topics by time, then topic name, and waits for what could still come earlier', () => {
    // alpha  5 6        W 6      order: a5 b5 a6, then b7 waits: alpha may still send 6.
    // beta   5   7      W 7
    const stages: StageSpec[] = [
      ...from('beta', 'alpha'),
      { kind: 'aggregate', name: 'all', inputs: ['beta'], aggregator: LIST },
      into('all'),
    ]
    const alpha = [[at(5, 'k', { id: 'a5' }), at(6, 'k', { id: 'a6' })]]
    const beta = [[at(5, 'k', { id: 'b5' }), at(7, 'k', { id: 'b7' })]]
    const scenario = small({ beta, alpha }, stages)
    expect(outputs(runOpen(scenario)).at(-1)).toBe('k: a5|b5|a6 @6')
    expect(
      runOpen(scenario).channels['0_0']!.map(({ input, consumed, held }) => [input, consumed, held]),
    ).toEqual([
      ['alpha', 2, 0],
      ['beta', 1, 1],
    ])
    expect(outputs(runFlushed(scenario)).at(-1)).toBe('k: a5|b5|a6|b7 @7')
  })

  it('takes a record at the running maximum of its own partition, less the out-of-orderness', () => {
    // p0   10  4    merges at 10 10      order: b7 a10 a4 b11
    // p1    7 11    merges at  7 11
    const stages = [...from('in'), ...together('in'), listAll, into('all')]
    const topics = {
      in: [
        [at(10, 'a'), at(4, 'a')],
        [at(7, 'b'), at(11, 'b')],
      ],
    }
    expect(outputs(runFlushed(small(topics, stages))).at(-1)).toBe('g: b7|a10|a4|b11 @11')
    // An out-of-orderness moves all of them alike.
    expect(outputs(runFlushed(small(topics, stages, 6))).at(-1)).toBe('g: b7|a10|a4|b11 @11')
  })

  it('takes a dead letter at its own place, and what comes behind it at the watermark before it', () => {
    // alpha  30! 4    merges at 30 4: 4 stays behind the dead letter, which waits for beta.      order: b7
    // b29 30! a4 b31
    // beta    7 29 31
    const stages: StageSpec[] = [
      ...from('beta', 'alpha'),
      { kind: 'difference', name: 'd', inputs: ['beta'], store: 's', failWhen: { modulus: 5, remainder: 4 } },
      into('d'),
    ]
    const topics = {
      alpha: [[at(30, 'a', { n: 4 }), at(4, 'a')]],
      beta: [[7, 29, 31].map((time) => at(time, 'b'))],
    }
    const expected = runFlushed(small(topics, stages))
    expect(expected.records.map(({ key, timestampMs }) => [key, timestampMs])).toEqual([
      ['b', 7],
      ['b', 29],
      ['a', 30],
      ['a', 4],
      ['b', 31],
    ])
  })

  it('learns from markers how far a partition is that sends nothing', () => {
    // p0  3 8          The record of 8 on p1 is filtered, so only a marker tells W = 8 of p1.
    // p1  1 (8)        a8 may go before anything of p1 that merges at 8: in/0 comes before in/1.
    const filtered: StageSpec = {
      kind: 'filterNot',
      name: 'few',
      inputs: ['in'],
      predicate: { modulus: 10, remainder: 8 },
    }
    const stages = [...from('in'), filtered, ...together('few'), listAll, into('all')]
    const silent = at(8, 'b', { n: 8 })
    const first = small(
      {
        in: [
          [at(3, 'a'), at(8, 'a')],
          [at(1, 'b'), silent],
        ],
      },
      stages,
    )
    expect(outputs(runOpen(first)).at(-1)).toBe('g: b1|a3|a8 @8')
    // The other way round b8 has to wait.
    const second = small(
      {
        in: [
          [at(1, 'a'), silent],
          [at(3, 'b'), at(8, 'b')],
        ],
      },
      stages,
    )
    expect(outputs(runOpen(second)).at(-1)).toBe('g: a1|b3 @3')
  })

  it('says before which record a window closes', () => {
    // time  1 4 10 12 21     [0,10) closes before 12 is taken, for W = 10 was known before it; [10,20) at the
    // end.
    const stages: StageSpec[] = [
      ...from('in'),
      { kind: 'difference', name: 'd', inputs: ['in'], store: 's' },
      windowed('w', 'd', 10),
      { kind: 'merge', name: 'both', inputs: ['w', 'd'] },
      into('both'),
    ]
    const expected = runOpen(small({ in: [[1, 4, 10, 12, 21].map((time) => at(time))] }, stages))
    expect(outputs(expected)).toEqual([
      'k: k1 @1',
      'k: k4 @4',
      'k: k10 @10',
      'k@0: k1|k4 @9',
      'k: k12 @12',
      'k: k21 @21',
      'k@10: k10|k12 @19',
    ])
    expect(new Set(expected.records.map(({ lane }) => lane)).size).toBe(1)
  })

  it('closes windows by the time they are due, then by operator, then by start', () => {
    // v (a list), size 10, grace 10: [0,10) due 20, [10,20) due 30.   u (the last), size 10: due 10 and 20.
    const stages: StageSpec[] = [
      ...from('in'),
      windowed('v', 'in', 10, { graceMs: 10 }),
      windowed('u', 'in', 10, { aggregator: { by: 'last' } }),
      { kind: 'merge', name: 'both', inputs: ['u', 'v'] },
      into('both'),
    ]
    const expected = runFlushed(small({ in: [[at(1), at(11)]] }, stages))
    expect(outputs(expected)).toEqual(['k@0: k@0#k1 @9', 'k@0: k1 @9', 'k@10: k@10#k11 @19', 'k@10: k11 @19'])
  })
})

describe('behind a repartition', () => {
  const stages = [...from('in'), ...together('in'), windowed('w', 'r', 10), into('w')]

  it('a record is judged by the watermark of its own source partition', () => {
    // p0   1 25 26        25 does not make b8 late. b3 comes behind b12 and is.
    // p1   2  8 12  3
    const topics = { in: [[1, 25, 26].map((t) => at(t, 'a')), [2, 8, 12, 3].map((t) => at(t, 'b'))] }
    const expected = runFlushed(small(topics, stages))
    expect(outputs(expected)).toEqual(['g@0: a1|b2|b8 @9', 'g@10: b12 @19', 'g@20: a25|a26 @29'])
    expect(outputs(expected, 'late')).toEqual(['g: b3 @3 late'])
  })

  it('windows close when every partition has passed them', () => {
    const outputsOf = (p0: readonly number[], p1: readonly number[]): readonly string[] => {
      const topics = { in: [p0.map((t) => at(t, 'a')), p1.map((t) => at(t, 'b'))] }
      return outputs(runOpen(small(topics, stages)))
    }
    expect(outputsOf([1, 25], [2, 9])).toEqual([])
    // a25 waits, for p1 is at 10 only; the minimum is what a25 carries: 1.
    expect(outputsOf([1, 25], [2, 9, 10])).toEqual([])
    // a40 waits for p1 and carries 25, p1 is at 31: minimum 25.
    expect(outputsOf([1, 25, 40], [2, 30, 31])).toEqual(['g@0: a1|b2 @9'])
  })

  it('keys go where murmur2 says, records without one and dead letters to the number of their task', () => {
    const spread: StageSpec[] = [
      ...from('in'),
      { kind: 'repartition', name: 'r', inputs: ['in'], partitions: 3 },
      { kind: 'mapValues', name: 'm', inputs: ['r'], add: 0 },
      into('m'),
      { kind: 'failing', name: 'f', inputs: ['m'], failWhen: { modulus: 5, remainder: 4 } },
      into('f', 'other'),
    ]
    // murmur2('21') & 0x7fffffff is 1173551340: 0 of 3 partitions, 0 of 2. murmur2('abc') is 479470107: 0 of
    // 3, 1 of 2.
    const topics = { in: [[at(1, '21')], [at(2, 'abc'), at(3, null), at(4, null, { n: 4 })]] }
    const expected = runOpen(small(topics, spread))
    const places = expected.records.map(({ kind, key, task, partition }) => [kind, key, task, partition])
    expect(places).toEqual([
      ['output', '21', '1_0', 0],
      ['output', '21', '1_0', 0],
      ['output', 'abc', '1_0', 1],
      ['output', 'abc', '1_0', 1],
      ['output', null, '1_1', 1],
      ['output', null, '1_1', 1],
      ['dead-letter', null, '1_1', 1],
    ])
    const lanes = expected.records.map(({ lane }) => lane)
    expect(lanes[0]).toBe('1_0 out-sink channel 0')
    expect(lanes[2]).toBe('1_0 out-sink channel 1')
  })
})

describe('chained windows', () => {
  it('hand on every result before the longer window closes, whatever the grace', () => {
    // Windows of 10 with grace 3 into windows of 20: at M = 22 the second of the short ones is still open,
    // and what
    // the long one hears is 22 - 3 = 19. At 23 it is closed, the long one hears 20, and closes with both.
    const stages: StageSpec[] = [
      ...from('in'),
      windowed('short', 'in', 10, { graceMs: 3, aggregator: { by: 'last' } }),
      { kind: 'selectKey', name: 'base', inputs: ['short'], key: { by: 'base' } },
      windowed('long', 'base', 20),
      into('long'),
    ]
    expect(outputs(runOpen(small({ in: [[5, 15, 22].map((time) => at(time))] }, stages)))).toEqual([])
    expect(outputs(runOpen(small({ in: [[5, 15, 23].map((time) => at(time))] }, stages)))).toEqual([
      'k@0: k@0#k5|k@10#k15 @19',
    ])
  })

  it('of results that are sent as updates take them as long as the first windows are open', () => {
    // Windows of 10 with grace 5 send updates into windows of 10 without. 9 comes behind 12 and counts; its
    // update has
    // the time 9 and carries 12 - 5 = 7, so it counts in [0,10) too. In the end W is 16 - 5 = 11: [0,10)
    // closes.
    const stages: StageSpec[] = [
      ...from('in'),
      windowed('now', 'in', 10, { graceMs: 5, emit: 'onWindowUpdate', aggregator: { by: 'last' } }),
      { kind: 'selectKey', name: 'base', inputs: ['now'], key: { by: 'base' } },
      windowed('then', 'base', 10),
      into('then'),
    ]
    const expected = runOpen(small({ in: [[1, 12, 9, 16, 8].map((time) => at(time))] }, stages))
    expect(outputs(expected)).toEqual(['k@0: k@0#k1|k@0#k9 @9'])
    expect(outputs(expected, 'late')).toEqual(['k: k8 @8 late'])
  })
})

describe('the plan', () => {
  const stages: StageSpec[] = [
    ...from('zeta'),
    ...from('alpha'),
    windowed('w', 'zeta', 10, { aggregator: { by: 'count' } }),
    { kind: 'selectKey', name: 'base', inputs: ['w'], key: { by: 'base' } },
    { kind: 'repartition', name: 'r1', inputs: ['base'], partitions: 2 },
    { kind: 'selectKey', name: 'text', inputs: ['alpha'], key: { by: 'group' } },
    { kind: 'repartition', name: 'r2', inputs: ['text'], partitions: 2 },
    { kind: 'merge', name: 'both', inputs: ['r1', 'r2'] },
    windowed('v', 'both', 20, { aggregator: { by: 'stats', commutative: true }, group: { by: 'group' } }),
    into('v'),
  ]
  const plan = planOf(small({ zeta: [[], []], alpha: [[], [], []] }, stages))

  it('numbers sub-topologies by their first node, a repartition being one of its receiver too', () => {
    expect(plan.subTopologies.map(({ nodes }) => nodes[0]!.name)).toEqual([
      'zeta-source',
      'alpha-source',
      'both',
      'v',
    ])
    expect(plan.subTopologies.map(({ tasks }) => tasks)).toEqual([2, 3, 2, 2])
    expect(plan.subTopologies.map(({ ordered }) => ordered)).toEqual([false, false, false, false])
  })

  it('numbers channels by origin topic, partition, input and path', () => {
    const channels = plan
      .channelsOf(plan.subTopologies[3]!, 0)
      .map(({ origin, input }) => [origin.topic, origin.partition, input, origin.path.join()])
    const alpha = [0, 1, 2].flatMap((partition) =>
      ['2_0', '2_1'].map((task) => ['alpha', partition, 'v-repartition', task]),
    )
    const results = [0, 1].flatMap((partition) =>
      ['2_0', '2_1'].map((task) => ['results:w', partition, 'v-repartition', task]),
    )
    expect(channels).toEqual([...alpha, ...results])
    expect(plan.doubts).toEqual([])
  })

  it('refuses sub-topologies that feed each other', () => {
    const circle: StageSpec[] = [
      ...from('in'),
      { kind: 'repartition', name: 'r', inputs: ['in'] },
      { kind: 'merge', name: 'm', inputs: ['in', 'r'] },
      into('m'),
    ]
    expect(() => planOf(small({ in: [[]] }, circle))).toThrow('in a circle')
  })
})
