import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AssertionError } from '../../../src/assert.ts'
import { InputProgress } from '../../../src/time/input-progress.ts'

/** The definition, found anew each time it is asked for. */
class NaiveProgress {
  readonly watermarks: number[]
  readonly leftOut: boolean[]

  constructor(watermarks: readonly number[]) {
    this.watermarks = [...watermarks]
    this.leftOut = watermarks.map(() => false)
  }

  get minimum(): number {
    const active = this.watermarks.filter((_, channel) => !this.leftOut[channel])
    return active.length === 0 ? this.maximum : Math.min(...active)
  }

  get maximum(): number {
    return Math.max(...this.watermarks)
  }
}

const actions = (channels: number) =>
  fc.array(
    fc.oneof(
      fc.record({
        kind: fc.constant('advance' as const),
        channel: fc.nat(channels - 1),
        toMs: fc.oneof(fc.integer({ min: -5, max: 30 }), fc.constant(-Infinity)),
      }),
      fc.record({
        kind: fc.constantFrom('leaveOut' as const, 'takeBack' as const),
        channel: fc.nat(channels - 1),
        toMs: fc.constant(0),
      }),
    ),
    { maxLength: 60 },
  )

const cases = fc
  .integer({ min: 1, max: 5 })
  .chain((channels) =>
    fc.tuple(
      fc.array(fc.constantFrom(-Infinity, 0, 3, 7), { minLength: channels, maxLength: channels }),
      actions(channels),
    ),
  )

describe('InputProgress', () => {
  it('knows what the definition says, after any sequence of advances, leavings and returns', () => {
    fc.assert(
      fc.property(cases, ([start, steps]) => {
        const progress = new InputProgress(start.length, start)
        const naive = new NaiveProgress(start)
        for (const { kind, channel, toMs } of steps) {
          if (kind === 'advance') {
            progress.advance(channel, toMs)
            naive.watermarks[channel] = Math.max(naive.watermarks[channel]!, toMs)
          } else {
            progress[kind](channel)
            naive.leftOut[channel] = kind === 'leaveOut'
          }
          expect(progress.minimumMs).toBe(naive.minimum)
          expect(progress.maximumMs).toBe(naive.maximum)
          expect(progress.allLeftOut).toBe(naive.leftOut.every(Boolean))
          naive.watermarks.forEach((watermarkMs, index) => {
            expect(progress.watermarkMs(index)).toBe(watermarkMs)
            expect(progress.isLeftOut(index)).toBe(naive.leftOut[index])
          })
        }
      }),
      { seed: 11, numRuns: 1000 },
    )
  })

  it('never lets a watermark fall, and no minimum fall but by a channel that comes back', () => {
    fc.assert(
      fc.property(cases, ([start, steps]) => {
        const progress = new InputProgress(start.length, start)
        for (const { kind, channel, toMs } of steps) {
          const before = start.map((_, index) => progress.watermarkMs(index))
          const minimumBefore = progress.minimumMs
          if (kind === 'advance') progress.advance(channel, toMs)
          else progress[kind](channel)
          before.forEach((watermarkMs, index) =>
            expect(progress.watermarkMs(index)).toBeGreaterThanOrEqual(watermarkMs),
          )
          if (kind !== 'takeBack') expect(progress.minimumMs).toBeGreaterThanOrEqual(minimumBefore)
        }
      }),
      { seed: 12, numRuns: 500 },
    )
  })

  it('begins at minus infinity, and stays there until every channel has spoken', () => {
    const progress = new InputProgress(3)
    progress.advance(0, 10)
    progress.advance(2, 20)
    expect(progress.minimumMs).toBe(-Infinity)
    progress.advance(1, 5)
    expect(progress.minimumMs).toBe(5)
  })

  it('has the maximum, never infinity, as its minimum when all channels are left out', () => {
    const progress = new InputProgress(2, [3, 9])
    progress.leaveOut(0)
    expect(progress.minimumMs).toBe(9)
    progress.leaveOut(1)
    expect(progress.minimumMs).toBe(9)
    progress.advance(0, 12)
    expect(progress.minimumMs).toBe(12)
    progress.takeBack(1)
    expect(progress.minimumMs).toBe(9)
  })

  it('has minus infinity as its minimum when all are left out that never spoke', () => {
    const progress = new InputProgress(1)
    progress.leaveOut(0)
    expect(progress.minimumMs).toBe(-Infinity)
  })

  it('counts a channel once however often it is left out or taken back', () => {
    const progress = new InputProgress(2, [1, 2])
    progress.leaveOut(0)
    progress.leaveOut(0)
    expect(progress.allLeftOut).toBe(false)
    progress.takeBack(0)
    progress.takeBack(0)
    progress.leaveOut(1)
    expect(progress.allLeftOut).toBe(false)
    expect(progress.minimumMs).toBe(1)
  })

  it('refuses a task without channels', () => {
    expect(() => new InputProgress(0)).toThrow(AssertionError)
  })
})
