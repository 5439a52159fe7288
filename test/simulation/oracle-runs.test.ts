import { describe, expect, it } from 'vitest'
import { at, from, into, outputs, runFlushed, runOpen, runPhases, small, windowed } from './small-scenario.ts'
import type { StageSpec } from './topology-spec.ts'

describe('a flushed run and more input', () => {
  const stages = [...from('in'), windowed('w', 'in', 10), into('w')]

  it('closes everything once, and later records of those windows are late by decision', () => {
    // time  1 12 |flush| 13 19 25 20 |flush|      Behind the flush [10,20) is closed, through 20; W is still
    // 12.
    const scenario = small({ in: [[1, 12, 13, 19, 25, 20].map((time) => at(time))] }, stages)
    const expected = runPhases(scenario, [2, '!'], [6, '!'])
    expect(outputs(expected)).toEqual(['k@0: k1 @9', 'k@10: k12 @19', 'k@20: k25|k20 @29'])
    expect(outputs(expected, 'late')).toEqual(['k: k13 @13 flushed', 'k: k19 @19 flushed'])
  })

  it('tells what was late anyway from what the flush made late', () => {
    // Behind the flush W is 25, and [20,30) is closed: 9 is late by W, 26 by the flush.
    const scenario = small({ in: [[1, 25, 9, 26].map((time) => at(time))] }, stages)
    expect(outputs(runPhases(scenario, [2, '!'], [4]), 'late')).toEqual([
      'k: k9 @9 late',
      'k: k26 @26 flushed',
    ])
  })

  it('closes up to the highest watermark of all inputs, though it leaves each watermark alone', () => {
    // p0  (50)   |flush|             50 is filtered and opens no window, but W of p0 is 50.
    // p1   1     |flush|  45 51      [40,50) is closed by the flush though nothing was in it; 51 counts.
    const through: StageSpec[] = [
      ...from('in'),
      { kind: 'filterNot', name: 'few', inputs: ['in'], predicate: { modulus: 10, remainder: 8 } },
      { kind: 'selectKey', name: 'keyed', inputs: ['few'], key: { by: 'group' } },
      { kind: 'repartition', name: 'r', inputs: ['keyed'], partitions: 1 },
      windowed('w', 'r', 10),
      into('w'),
    ]
    const topics = { in: [[at(50, 'a', { n: 8 })], [at(1, 'b'), at(45, 'b'), at(51, 'b')]] }
    const expected = runPhases(small(topics, through), [1, 1, '!'], [1, 3, '!'])
    expect(outputs(expected)).toEqual(['g@0: b1 @9', 'g@50: b51 @59'])
    expect(outputs(expected, 'late')).toEqual(['g: b45 @45 flushed'])
    expect(expected.channels['1_0']!.map(({ watermarkMs }) => watermarkMs)).toEqual([50, 51])
  })

  it('goes on without inputs that have ended, and an open run does not', () => {
    // alpha  1             beta  5 15 16      With the flush alpha has ended behind 1, so b5, b15 and b16
    // need not
    // wait, and [0,10) closes before b16. Without, beta waits for alpha.
    const merged: StageSpec[] = [
      ...from('beta', 'alpha'),
      { kind: 'difference', name: 'd', inputs: ['beta'], store: 's' },
      windowed('w', 'd', 10),
      { kind: 'merge', name: 'both', inputs: ['w', 'd'] },
      into('both'),
    ]
    const beta = [5, 15, 16].map((time) => at(time))
    const scenario = small({ alpha: [[at(1)]], beta: [beta] }, merged)
    expect(outputs(runOpen(scenario))).toEqual(['k: k1 @1'])
    expect(outputs(runFlushed(scenario))).toEqual([
      'k: k1 @1',
      'k: k5 @5',
      'k: k15 @15',
      'k@0: k1|k5 @9',
      'k: k16 @16',
      'k@10: k15|k16 @19',
    ])
  })

  it('flushes chained windows one after the other', () => {
    const chained: StageSpec[] = [
      ...from('in'),
      windowed('short', 'in', 10, { graceMs: 5, aggregator: { by: 'last' } }),
      { kind: 'selectKey', name: 'base', inputs: ['short'], key: { by: 'base' } },
      windowed('long', 'base', 20),
      into('long'),
    ]
    // Behind the flush `short` is closed through 25, so `long` hears 20 and is closed through 20: 18 is late
    // at once,
    // and [20,30) goes on as ever.
    const scenario = small({ in: [[5, 15, 18, 21].map((time) => at(time))] }, chained)
    const expected = runPhases(scenario, [2, '!'], [4, '!'])
    expect(outputs(expected)).toEqual(['k@0: k@0#k5|k@10#k15 @19', 'k@20: k@20#k21 @39'])
    expect(outputs(expected, 'late')).toEqual(['k: k18 @18 flushed'])
  })

  it('leaves an open run as if the records had come in one go', () => {
    const scenario = small({ in: [[1, 4, 10, 9, 3, 25].map((time) => at(time))] }, stages)
    const phases = [[1], [3], [3], [4], [6]]
    expect(runPhases(scenario, ...phases).records).toEqual(runOpen(scenario).records)
  })
})

describe('recorded decisions', () => {
  const stages = [...from('beta', 'alpha'), windowed('w', 'beta', 10), into('w')]
  const alpha = [1, 12, 25, 30].map((time) => at(time, 'k', { id: `a${time}` }))
  const beta = [2, 8, 9, 40].map((time) => at(time, 'k', { id: `b${time}` }))

  it('leave an idle input out from there on and take it in again there', () => {
    // order   a1 b2 b8 |beta idle| a12 a25 |beta back, closed through 25| b9 a30, then b40 waits for alpha
    // [0,10) closes before a25, [10,20) when beta comes back; b9 then finds its window closed, by the
    // decision.
    const expected = runOpen(small({ alpha: [alpha], beta: [beta] }, stages), {
      '0_0': [
        { kind: 'idle', channel: 1, positions: [1, 2] },
        { kind: 'resumed', channel: 1, positions: [3, 2], closedThroughMs: 25 },
      ],
    })
    expect(outputs(expected)).toEqual(['k@0: a1|b2|b8 @9', 'k@10: a12 @19'])
    expect(outputs(expected, 'late')).toEqual(['k: b9 @9 idle'])
    expect(expected.channels['0_0']!.map(({ consumed, held }) => [consumed, held])).toEqual([
      [4, 0],
      [3, 1],
    ])
  })

  it('close up to the highest watermark when all inputs are idle', () => {
    // order   a1 b2 a12 |alpha idle| b30 |beta idle|: the minimum is now 30, the maximum: all but [30,40)
    // closes.
    const later = [2, 30].map((time) => at(time, 'k', { id: `b${time}` }))
    const expected = runOpen(small({ alpha: [alpha.slice(0, 2)], beta: [later] }, stages), {
      '0_0': [
        { kind: 'idle', channel: 0, positions: [2, 1] },
        { kind: 'idle', channel: 1, positions: [2, 2] },
      ],
    })
    expect(outputs(expected)).toEqual(['k@0: a1|b2 @9', 'k@10: a12 @19'])
  })

  it('act at their positions where the order does not matter, too', () => {
    const counting = [
      ...from('beta', 'alpha'),
      windowed('w', 'beta', 10, { aggregator: { by: 'count' } }),
      into('w'),
    ]
    const expected = runOpen(small({ alpha: [alpha], beta: [[beta[0]!, beta[2]!, beta[3]!]] }, counting), {
      '0_0': [
        { kind: 'idle', channel: 1, positions: [1, 1] },
        { kind: 'resumed', channel: 1, positions: [3, 1], closedThroughMs: 25 },
      ],
    })
    // In the end alpha is at 30 and beta at 40: [20,30) closes as well.
    expect(outputs(expected)).toEqual(['k@0: k@0#2 @9', 'k@10: k@10#1 @19', 'k@20: k@20#1 @29'])
    expect(outputs(expected, 'late')).toEqual(['k: b9 @9 idle'])
  })

  it('let store entries expire that were closed through', () => {
    // ttl 10. x of b2 expires at 12. When beta comes back, closed through 25, x of b9 is new, though W of
    // beta is 2.
    const deduping: StageSpec[] = [
      ...from('beta', 'alpha'),
      { kind: 'dedupe', name: 'd', inputs: ['beta'], store: 's', ttlMs: 10 },
      into('d'),
    ]
    const twice = [2, 9].map((time) => at(time, 'k', { id: 'x' }))
    const scenario = small({ alpha: [alpha.slice(0, 3)], beta: [twice] }, deduping)
    expect(outputs(runOpen(scenario))).toEqual(['k: a1 @1', 'k: x @2'])
    const expected = runOpen(scenario, {
      '0_0': [
        { kind: 'idle', channel: 1, positions: [1, 1] },
        { kind: 'resumed', channel: 1, positions: [3, 1], closedThroughMs: 25 },
      ],
    })
    expect(outputs(expected)).toEqual(['k: a1 @1', 'k: x @2', 'k: a12 @12', 'k: a25 @25', 'k: x @9'])
  })

  it('are refused where the order never comes by them', () => {
    const scenario = small({ alpha: [alpha], beta: [beta] }, stages)
    const idle = { kind: 'idle', channel: 1, positions: [2, 0] } as const
    expect(() => runOpen(scenario, { '0_0': [idle] })).toThrow('never comes by')
  })
})
