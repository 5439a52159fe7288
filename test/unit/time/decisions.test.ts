import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DecisionReplay, type Decision } from '../../../src/time/decisions.ts'

const idle = (channel: number, ...positions: bigint[]): Decision => ({ kind: 'idle', channel, positions })
const resumed = (channel: number, closedThroughMs: number, ...positions: bigint[]): Decision => ({
  kind: 'resumed',
  channel,
  positions,
  closedThroughMs,
})

describe('DecisionReplay', () => {
  it('holds each channel at the position of the next decision, not before and not behind another one', () => {
    const replay = new DecisionReplay([idle(1, 5n, 3n), resumed(1, 70, 9n, 3n)])
    expect(replay.holds(0, 4n)).toBe(false)
    expect(replay.holds(0, 5n)).toBe(true)
    expect(replay.holds(0, 6n)).toBe(true)
    expect(replay.holds(1, 2n)).toBe(false)
    expect(replay.holds(1, 3n)).toBe(true)
    replay.applied()
    expect(replay.holds(0, 8n)).toBe(false)
    expect(replay.holds(0, 9n)).toBe(true)
  })

  it('is due when every channel has reached the positions of the decision', () => {
    const replay = new DecisionReplay([idle(1, 5n, 3n)])
    const standing = (...positions: bigint[]) => replay.isDue((channel) => positions[channel]!)
    expect(standing(5n, 2n)).toBe(false)
    expect(standing(4n, 3n)).toBe(false)
    expect(standing(5n, 3n)).toBe(true)
    expect(standing(9n, 9n)).toBe(true)
  })

  it('holds nothing and has nothing due when all decisions are applied', () => {
    const replay = new DecisionReplay([idle(0, 0n)])
    replay.applied()
    expect(replay.next).toBeUndefined()
    expect(replay.holds(0, 99n)).toBe(false)
    expect(replay.isDue(() => 99n)).toBe(false)
    expect(replay.closedThroughLimitMs).toBe(Infinity)
  })

  it('goes on behind the decisions that an earlier run applied', () => {
    const decisions = [idle(0, 1n), resumed(0, 10, 1n), idle(0, 2n)]
    expect(new DecisionReplay(decisions, 2).next).toBe(decisions[2])
    expect(new DecisionReplay(decisions, 3).next).toBeUndefined()
  })

  it('lets windows close up to where the next decision that says so had led, however far off it is', () => {
    const replay = new DecisionReplay([
      idle(0, 1n),
      { kind: 'silence', positions: [1n], closedThroughMs: 60 },
      idle(0, 1n),
      resumed(0, 70, 2n),
      { kind: 'flush', run: 1, positions: [9n], closedThroughMs: 90 },
      idle(0, 9n),
    ])
    const limits: number[] = []
    for (; replay.next !== undefined; replay.applied()) limits.push(replay.closedThroughLimitMs)
    expect(limits).toEqual([60, 60, 70, 70, 90, Infinity])
  })

  it('leads through all decisions in order, whatever the order in which the channels get on', () => {
    const steps = fc.array(fc.tuple(fc.nat(4), fc.nat(4), fc.nat(4)), { minLength: 1, maxLength: 6 })
    const schedule = fc.array(fc.nat(2), { minLength: 200, maxLength: 200 })
    fc.assert(
      fc.property(steps, schedule, (increments, turns) => {
        const total = [0n, 0n, 0n]
        const decisions = increments.map((increment): Decision => {
          increment.forEach((by, channel) => (total[channel] = total[channel]! + BigInt(by)))
          return idle(0, ...total)
        })
        const replay = new DecisionReplay(decisions)
        const position = [0n, 0n, 0n]
        const applied: Decision[] = []
        for (const channel of turns) {
          while (replay.isDue((one) => position[one]!)) {
            // At the moment it is due, no channel has passed it.
            expect(position).toEqual(replay.next!.positions)
            applied.push(replay.next!)
            replay.applied()
          }
          if (replay.next !== undefined && !replay.holds(channel, position[channel]!))
            position[channel] = position[channel]! + 1n
        }
        expect(applied).toEqual(decisions)
      }),
      { seed: 31, numRuns: 300 },
    )
  })
})
