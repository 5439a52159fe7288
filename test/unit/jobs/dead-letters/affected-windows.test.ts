import { describe, expect, it } from 'vitest'
import { AffectedWindows } from '../../../../src/jobs/dead-letters/affected-windows.ts'
import { TimeWindows } from '../../../../src/time/windows.ts'

const reading = (key: string, timestampMs: number, partition = 0) => ({
  topic: 'readings',
  partition,
  key,
  timestampMs,
})
const at =
  (watermarkMs: number, closedThroughMs = -Infinity) =>
  (): { watermarkMs: number; closedThroughMs: number } => ({
    watermarkMs,
    closedThroughMs,
  })

describe('the windows of readings that are put back', () => {
  it('are told with how many belong to each, by time and key', () => {
    const affected = new AffectedWindows(TimeWindows.ofSizeWithNoGrace(10), 100, at(-Infinity))
    for (const one of [reading('b', 12), reading('a', 19), reading('a', 10), reading('z', 3)])
      affected.add(one)
    expect(affected.list()).toEqual([
      { key: 'z', startMs: 0, endMs: 10, readings: 1, late: 0 },
      { key: 'a', startMs: 10, endMs: 20, readings: 2, late: 0 },
      { key: 'b', startMs: 10, endMs: 20, readings: 1, late: 0 },
    ])
  })

  it('are several where they overlap', () => {
    const affected = new AffectedWindows(TimeWindows.ofSizeWithNoGrace(10).advanceBy(5), 0, at(15))
    affected.add(reading('a', 12))
    expect(affected.list().map(({ startMs, late }) => [startMs, late])).toEqual([
      [5, 1],
      [10, 0],
    ])
  })

  it('are closed when the partition of the reading has passed end and grace, or a decision has closed them', () => {
    const lateFor = (watermarkMs: number, closedThroughMs = -Infinity): number => {
      const affected = new AffectedWindows(
        TimeWindows.ofSizeAndGrace(10, 5),
        0,
        at(watermarkMs, closedThroughMs),
      )
      affected.add(reading('a', 3))
      return affected.list()[0]!.late
    }
    expect([lateFor(14), lateFor(15), lateFor(0, 14), lateFor(0, 15)]).toEqual([0, 1, 0, 1])
  })

  it('are closed for what comes behind a reading that itself moves the time of its partition', () => {
    const affected = new AffectedWindows(TimeWindows.ofSizeWithNoGrace(10), 2, at(0))
    for (const one of [reading('a', 1), reading('a', 12), reading('a', 2), reading('a', 3, 1)])
      affected.add(one)
    // 12 less 2 has reached the end of [0, 10) in partition 0, not in partition 1.
    expect(affected.list()[0]).toEqual({ key: 'a', startMs: 0, endMs: 10, readings: 3, late: 1 })
  })
})
