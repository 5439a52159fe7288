import { describe, expect, it } from 'vitest'
import { compareUtf8, murmur2, partitionOf, windowStarts } from './oracle/arithmetic.ts'
import { at, from, into, outputs, runFlushed, runOpen, small, windowed } from './small-scenario.ts'
import type { StageSpec } from './topology-spec.ts'

const LATE = 'late'
const DEAD = 'dead'

describe('the arithmetic of the oracle', () => {
  it('hashes as Java does', () => {
    // From the tests of Kafka's Utils.murmur2.
    expect(murmur2('21') | 0).toBe(-973932308)
    expect(murmur2('foobar') | 0).toBe(-790332482)
    expect(murmur2('a-little-bit-long-string') | 0).toBe(-985981536)
    expect(murmur2('a-little-bit-longer-string') | 0).toBe(-1486304829)
    expect(murmur2('abc') | 0).toBe(479470107)
    expect(partitionOf('21', 7)).toBe((-973932308 & 0x7fffffff) % 7)
  })

  it('finds the windows of a time, none before the epoch', () => {
    expect(windowStarts(17, 10, 10)).toEqual([10])
    expect(windowStarts(20, 10, 10)).toEqual([20])
    expect(windowStarts(17, 10, 4)).toEqual([8, 12, 16])
    expect(windowStarts(3, 10, 4)).toEqual([0])
  })

  it('orders keys by their bytes', () => {
    const keys = ['\uff5e', '\u{1f600}', 'b', 'a', '']
    expect(keys.sort(compareUtf8)).toEqual(['', 'a', 'b', '\uff5e', '\u{1f600}'])
  })
})

describe('a window over one partition', () => {
  const stages = [...from('in'), windowed('w', 'in', 10), into('w')]

  it('closes when the watermark reaches its end, and judges each record by the watermark before it', () => {
    // time   1  4  10  9  3  25
    // W      -  1  4  10 10  10     W after the last: 25
    // [0,10) closes when 10 has been taken; 9 and 3 find W = 10: late. [10,20) closes at 25, [20,30) stays
    // open.
    const expected = runOpen(small({ in: [[1, 4, 10, 9, 3, 25].map((time) => at(time))] }, stages))
    expect(outputs(expected)).toEqual(['k@0: k1|k4 @9', 'k@10: k10 @19'])
    expect(outputs(expected, LATE)).toEqual(['k: k9 @9 late', 'k: k3 @3 late'])
    expect(expected.tasks['0_0']).toEqual({
      consumed: 6,
      deadLetters: 0,
      skipped: 0,
      late: 2,
      partlyLate: 0,
      results: 2,
      counters: {},
    })
  })

  it('waits the out-of-orderness: the watermark is that much behind', () => {
    // time   1  10  9  13  8      with 3 ms
    // W      - -2   7   7 10      9 counts; W = 10 when 13 has been taken, so 8 is late.
    const scenario = small({ in: [[1, 10, 9, 13, 8].map((time) => at(time))] }, stages, 3)
    expect(outputs(runOpen(scenario))).toEqual(['k@0: k1|k9 @9'])
    expect(outputs(runOpen(scenario), LATE)).toEqual(['k: k8 @8 late'])
  })

  it('stays open for its grace', () => {
    // size 10, grace 5: [0,10) closes at W = 15.   time 1 14 9 15 8    W - 1 14 14 15
    const graced = [...from('in'), windowed('w', 'in', 10, { graceMs: 5 }), into('w')]
    const expected = runOpen(small({ in: [[1, 14, 9, 15, 8].map((time) => at(time))] }, graced))
    expect(outputs(expected)).toEqual(['k@0: k1|k9 @9'])
    expect(outputs(expected, LATE)).toEqual(['k: k8 @8 late'])
  })

  it('counts a record that is late for some of its windows only for the others', () => {
    // size 10, a window every 5.  time 7 is in [0,10) and [5,15); 12 in [5,15) and [10,20).
    // 11 moves W to 11: 8 is late for [0,10), on time for [5,15).
    const hopping = [...from('in'), windowed('w', 'in', 10, { advanceMs: 5 }), into('w')]
    const expected = runFlushed(small({ in: [[7, 11, 8, 2].map((time) => at(time))] }, hopping))
    expect(outputs(expected)).toEqual(['k@0: k7 @9', 'k@5: k7|k11|k8 @14', 'k@10: k11 @19'])
    expect(outputs(expected, LATE)).toEqual(['k: k2 @2 late'])
    expect(expected.tasks['0_0']).toMatchObject({ late: 1, partlyLate: 1, results: 3 })
  })

  it('gives the results of a window in the order of the keys’ bytes, windows by their end', () => {
    const records = [
      at(1, '\u{1f600}'),
      at(2, '\uff5e'),
      at(3, '__proto__'),
      at(12, 'b'),
      at(4, 'a'),
      at(31, 'a'),
    ]
    const expected = runOpen(small({ in: [records] }, stages, 8))
    expect(outputs(expected).map((line) => line.split(':')[0])).toEqual([
      '__proto__@0',
      'a@0',
      '\uff5e@0',
      '\u{1f600}@0',
      'b@10',
    ])
  })

  it('moves the watermark for filtered, late and duplicate records, not for dead letters', () => {
    const filtered: StageSpec[] = [
      ...from('in'),
      { kind: 'failing', name: 'fail', inputs: ['in'], failWhen: { modulus: 10, remainder: 9 } },
      { kind: 'filterNot', name: 'few', inputs: ['fail'], predicate: { modulus: 10, remainder: 8 } },
      windowed('w', 'few', 10),
      into('w'),
    ]
    // 99 fails: W stays 1, so 5 counts. 20 is filtered and moves W: [0,10) closes, 6 is late.
    const records = [at(1), at(99, 'k', { n: 9 }), at(5), at(20, 'k', { n: 8 }), at(6)]
    const expected = runOpen(small({ in: [records] }, filtered))
    expect(outputs(expected)).toEqual(['k@0: k1|k5 @9'])
    expect(outputs(expected, LATE)).toEqual(['k: k6 @6 late'])
    expect(outputs(expected, DEAD)).toEqual(['k: k99 @99 SIM_FAILURE'])
  })

  it('moves the watermark neither for records that a policy skips', () => {
    const skipping: StageSpec[] = [
      ...from('in'),
      {
        kind: 'failing',
        name: 'f',
        inputs: ['in'],
        failWhen: { modulus: 10, remainder: 9 },
        onError: 'skip',
      },
      windowed('w', 'f', 10),
      into('w'),
    ]
    const expected = runOpen(small({ in: [[at(1), at(99, 'k', { n: 9 }), at(5), at(10)]] }, skipping))
    expect(outputs(expected)).toEqual(['k@0: k1|k5 @9'])
    expect(outputs(expected, DEAD)).toEqual([])
    expect(expected.tasks['0_0']).toMatchObject({ consumed: 4, skipped: 1, deadLetters: 0 })
  })

  it('makes a dead letter of what cannot be read or has no event time, with the bytes it came with', () => {
    const bad = [
      { key: 'k', value: '{"id"', timestampMs: 3 },
      { key: 'k', value: '5', timestampMs: 4 },
      { key: 'k', value: null, timestampMs: 5 },
      { ...at(0), timestampMs: -1 },
      { ...at(1), timestampMs: 8.64e15 + 1 },
    ]
    const expected = runOpen(small({ in: [[...bad, at(8.64e15)]] }, stages))
    const dead = expected.records.filter((record) => record.topic === DEAD)
    expect(dead.map(({ value, timestampMs, code, stage }) => [value, timestampMs, stage, code])).toEqual([
      ['{"id"', 3, 'in-source', 'RECORD_UNREADABLE'],
      ['5', 4, 'in', 'SIM_NOT_AN_ITEM'],
      [null, 5, 'in', 'SIM_NOT_AN_ITEM'],
      [at(0).value, -1, 'in-source', undefined],
      [at(1).value, 8.64e15 + 1, 'in-source', undefined],
    ])
    expect(expected.tasks['0_0']).toMatchObject({ consumed: 6, deadLetters: 5, late: 0 })
  })

  it('makes a dead letter of a record without key', () => {
    const expected = runOpen(small({ in: [[at(1, null), at(10)]] }, stages))
    expect(outputs(expected)).toEqual([])
    expect(outputs(expected, DEAD)).toEqual(['null: null1 @1 KEY_MISSING'])
  })
})

describe('what a record causes', () => {
  it('is undone whole when a stage behind the store write fails', () => {
    // A count by key, then a failure for the count 2: the second record leaves nothing, so the third makes it
    // 2 again.
    const stages: StageSpec[] = [
      ...from('in'),
      into('in', 'seen'),
      { kind: 'aggregate', name: 'a', inputs: ['in'], aggregator: { by: 'list', size: 9 } },
      { kind: 'failing', name: 'f', inputs: ['a'], failWhen: { modulus: 5, remainder: 4 } },
      into('f'),
    ]
    const expected = runOpen(small({ in: [[at(1), at(2, 'k', { n: 4 }), at(3)]] }, stages))
    expect(outputs(expected, 'seen')).toEqual(['k: k1 @1', 'k: k3 @3'])
    expect(outputs(expected)).toEqual(['k: k1 @1', 'k: k1|k3 @3'])
    expect(outputs(expected, DEAD)).toEqual(['k: k2 @2 SIM_FAILURE'])
  })

  it('is undone with its late record, and so is its mark as partly late', () => {
    const stages: StageSpec[] = [
      ...from('in'),
      windowed('w', 'in', 10, { advanceMs: 5 }),
      { kind: 'failing', name: 'f', inputs: ['in'], failWhen: { modulus: 5, remainder: 4 } },
      into('w'),
    ]
    const records = [at(7), at(11), at(8, 'k', { n: 4 }), at(2, 'k', { n: 4 })]
    const expected = runFlushed(small({ in: [records] }, stages))
    expect(outputs(expected)).toEqual(['k@0: k7 @9', 'k@5: k7|k11 @14', 'k@10: k11 @19'])
    expect(outputs(expected, LATE)).toEqual([])
    expect(expected.tasks['0_0']).toMatchObject({ late: 0, partlyLate: 0, deadLetters: 2 })
  })

  it('makes a dead letter of a window’s result that fails, and the window is gone', () => {
    // `last` keeps n; the result of [0,10) has n = 4 and fails behind the window.
    const stages: StageSpec[] = [
      ...from('in'),
      windowed('w', 'in', 10, { aggregator: { by: 'last' } }),
      { kind: 'failing', name: 'f', inputs: ['w'], failWhen: { modulus: 5, remainder: 4 } },
      into('f'),
    ]
    const expected = runFlushed(small({ in: [[at(1, 'k', { n: 4 }), at(12), at(22)]] }, stages))
    expect(outputs(expected)).toEqual(['k@10: k@10#k12 @19', 'k@20: k@20#k22 @29'])
    expect(outputs(expected, DEAD)).toEqual(['k: k1 @9 SIM_FAILURE'])
    expect(expected.tasks['0_0']).toMatchObject({ consumed: 3, deadLetters: 1, results: 2 })
  })

  it('is a duplicate before it is late, and a dead letter before it is a duplicate', () => {
    const stages: StageSpec[] = [
      ...from('in'),
      { kind: 'failing', name: 'f', inputs: ['in'], failWhen: { modulus: 5, remainder: 4 } },
      { kind: 'dedupe', name: 'd', inputs: ['f'], store: 'seen' },
      windowed('w', 'd', 10),
      into('w'),
    ]
    // x at 1, then W goes to 20. x again: late, but a duplicate. x with n = 4: fails. x with n = 2: a
    // conflict.
    const again = [{}, { n: 4 }, { n: 2 }].map((item) => at(1, 'k', { id: 'x', ...item }))
    const expected = runOpen(small({ in: [[at(1, 'k', { id: 'x' }), at(20), ...again, at(2)]] }, stages))
    expect(outputs(expected)).toEqual(['k@0: x @9'])
    expect(outputs(expected, LATE)).toEqual(['k: k2 @2 late'])
    expect(outputs(expected, DEAD)).toEqual(['k: x @1 SIM_FAILURE', 'k: x @1 EVENT_ID_CONFLICT'])
    expect(expected.tasks['0_0']).toMatchObject({ late: 1, deadLetters: 2, counters: { 'd-duplicates': 1 } })
  })

  it('lets entries of a store expire by the record’s own watermark', () => {
    // ttl 10, entry of time 5: gone for a record whose W is 15 or more.
    const stages: StageSpec[] = [
      ...from('in'),
      { kind: 'dedupe', name: 'd', inputs: ['in'], store: 'seen', ttlMs: 10 },
      into('d'),
    ]
    const x = at(5, 'k', { id: 'x' })
    const expected = runOpen(small({ in: [[x, at(14), x, at(15), x, x]] }, stages))
    expect(outputs(expected)).toEqual(['k: x @5', 'k: k14 @14', 'k: k15 @15', 'k: x @5', 'k: x @5'])
    expect(expected.tasks['0_0']!.counters).toEqual({ 'd-duplicates': 1 })
  })

  it('goes through one child after the other, each with all that is behind it', () => {
    const stages: StageSpec[] = [
      ...from('in'),
      { kind: 'mapValues', name: 'm', inputs: ['in'], add: 0 },
      { kind: 'flatMapValues', name: 'f', inputs: ['in'], copies: 3 },
      { kind: 'merge', name: 'both', inputs: ['f', 'm'] },
      into('both'),
    ]
    const expected = runOpen(small({ in: [[at(1, 'k', { n: 2 })]] }, stages))
    expect(outputs(expected)).toEqual(['k: k1.m @1', 'k: k1/0 @1', 'k: k1/1 @1'])
  })

  it('takes the first branch that fits, and the default branch else', () => {
    const split: StageSpec = {
      kind: 'split',
      name: 's',
      inputs: ['in'],
      branches: [
        { name: 'even', predicate: { modulus: 2, remainder: 0 } },
        { name: 'third', predicate: { modulus: 3, remainder: 0 } },
      ],
      defaultBranch: 'rest',
    }
    const sinks = [into('s-even', 'even'), into('s-third', 'third'), into('s-rest', 'rest')]
    const records = [6, 3, 5].map((n) => at(n, 'k', { n }))
    const expected = runOpen(small({ in: [records] }, [...from('in'), split, ...sinks]))
    expect(['even', 'third', 'rest'].map((topic) => outputs(expected, topic))).toEqual([
      ['k: k6 @6'],
      ['k: k3 @3'],
      ['k: k5 @5'],
    ])
  })

  it('leaves nothing in a buffer of a piped segment', () => {
    const stages: StageSpec[] = [
      ...from('in'),
      { kind: 'pipeValues', name: 'p', inputs: ['in'], copies: 3, size: 2, key: { by: 'text' } },
      into('p'),
    ]
    const records = [at(1, 'k', { n: 0 }), at(2, 'k', { n: 2 })]
    expect(outputs(runOpen(small({ in: [records] }, stages)))).toEqual([
      'k: k1/0 @1',
      'k: k2/0+k2/1 @2',
      'k: k2/2 @2',
    ])
  })

  it('reads ranges by the keys’ bytes', () => {
    const stages: StageSpec[] = [
      ...from('in'),
      { kind: 'ranking', name: 'r', inputs: ['in'], store: 's', range: 'fromKey', take: 2 },
      into('r'),
    ]
    const records = ['\u{1f600}', '\uff5e', 'b', 'c'].map((key, n) => at(n, key, { n: n + 1 }))
    const gone = at(9, '\uff5e', { n: 0 })
    const expected = runOpen(small({ in: [[...records, gone]] }, stages))
    const firsts = expected.records.map(({ value }) => (JSON.parse(value!) as { first: string }).first)
    expect(firsts).toEqual([
      '\u{1f600}=1',
      '\uff5e=2 \u{1f600}=1',
      'b=3 \uff5e=2',
      'c=4 \uff5e=2',
      '\u{1f600}=1',
    ])
  })
})
