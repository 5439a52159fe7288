import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isEventTime, MAX_EVENT_TIME_MS, TimeWindows, type Window } from '../../../src/time/windows.ts'

/** The definition, word for word: the n-th window is [n * advance, n * advance + size), n >= 0. */
function containing(timeMs: number, sizeMs: number, advanceMs: number): Window[] {
  const found: Window[] = []
  for (let n = 0; n * advanceMs <= timeMs; n++) {
    const startMs = n * advanceMs
    if (timeMs < startMs + sizeMs) found.push({ startMs, endMs: startMs + sizeMs })
  }
  return found
}

const sizes = fc
  .integer({ min: 1, max: 60 })
  .chain((sizeMs) => fc.tuple(fc.constant(sizeMs), fc.integer({ min: 1, max: sizeMs })))

describe('TimeWindows', () => {
  it('finds exactly the windows that contain a time, earliest first, whatever size and advance', () => {
    fc.assert(
      fc.property(sizes, fc.integer({ min: 0, max: 400 }), ([sizeMs, advanceMs], timeMs) => {
        const windows = TimeWindows.ofSizeWithNoGrace(sizeMs).advanceBy(advanceMs)
        expect(windows.windowsFor(timeMs)).toEqual(containing(timeMs, sizeMs, advanceMs))
      }),
      { seed: 1, numRuns: 3000 },
    )
  })

  it('has earliest and latest starts that are the first and the last of these windows', () => {
    fc.assert(
      fc.property(sizes, fc.integer({ min: 0, max: 400 }), ([sizeMs, advanceMs], timeMs) => {
        const windows = TimeWindows.ofSizeAndGrace(sizeMs, 7).advanceBy(advanceMs)
        const expected = containing(timeMs, sizeMs, advanceMs).map(({ startMs }) => startMs)
        expect(windows.earliestStartMs(timeMs)).toBe(expected[0])
        expect(windows.latestStartMs(timeMs)).toBe(expected.at(-1))
      }),
      { seed: 2, numRuns: 3000 },
    )
  })

  it('gives every time exactly one tumbling window', () => {
    const windows = TimeWindows.ofSizeWithNoGrace(600_000)
    fc.assert(
      fc.property(fc.integer({ min: 0, max: MAX_EVENT_TIME_MS }), (timeMs) => {
        const found = windows.windowsFor(timeMs)
        expect(found).toHaveLength(1)
        expect(found[0]!.startMs % 600_000).toBe(0)
        expect(found[0]!.startMs <= timeMs && timeMs < found[0]!.endMs).toBe(true)
      }),
      { seed: 3, numRuns: 1000 },
    )
  })

  it('puts a boundary into the window that begins there, the millisecond before into the one that ends there', () => {
    const windows = TimeWindows.ofSizeWithNoGrace(1_000)
    expect(windows.windowsFor(999)).toEqual([{ startMs: 0, endMs: 1_000 }])
    expect(windows.windowsFor(1_000)).toEqual([{ startMs: 1_000, endMs: 2_000 }])
    expect(windows.windowsFor(1_001)).toEqual([{ startMs: 1_000, endMs: 2_000 }])
  })

  it('moves a hopping record from window to window at the boundaries', () => {
    const windows = TimeWindows.ofSizeWithNoGrace(1_000).advanceBy(400)
    const startsOf = (timeMs: number) => windows.windowsFor(timeMs).map(({ startMs }) => startMs)
    expect(startsOf(999)).toEqual([0, 400, 800])
    expect(startsOf(1_000)).toEqual([400, 800])
    expect(startsOf(1_199)).toEqual([400, 800])
    expect(startsOf(1_200)).toEqual([400, 800, 1_200])
    expect(startsOf(1_399)).toEqual([400, 800, 1_200])
    expect(startsOf(1_400)).toEqual([800, 1_200])
  })

  it('begins no window before the epoch, so that times below the size have fewer windows', () => {
    const windows = TimeWindows.ofSizeWithNoGrace(1_000).advanceBy(250)
    expect(windows.windowsFor(0)).toEqual([{ startMs: 0, endMs: 1_000 }])
    expect(windows.windowsFor(249)).toHaveLength(1)
    expect(windows.windowsFor(250)).toHaveLength(2)
    expect(windows.windowsFor(999)).toHaveLength(4)
    expect(windows.windowsFor(1_000)).toHaveLength(4)
  })

  it('closes a window at its end plus grace', () => {
    const windows = TimeWindows.ofSizeAndGrace(1_000, 250)
    expect(windows.closesAtMs(3_000)).toBe(4_250)
    expect(TimeWindows.ofSizeWithNoGrace(1_000).closesAtMs(3_000)).toBe(4_000)
  })

  it('keeps size and grace when the advance changes', () => {
    const tumbling = TimeWindows.ofSizeAndGrace(1_000, 250)
    const hopping = tumbling.advanceBy(100)
    expect([hopping.sizeMs, hopping.advanceMs, hopping.graceMs]).toEqual([1_000, 100, 250])
    expect(tumbling.advanceMs).toBe(1_000)
  })

  it('refuses sizes, advances and graces that are no durations', () => {
    for (const bad of [0, -1, 1.5, NaN, Infinity, MAX_EVENT_TIME_MS + 1000]) {
      expect(() => TimeWindows.ofSizeWithNoGrace(bad)).toThrow(RangeError)
      expect(() => TimeWindows.ofSizeWithNoGrace(10).advanceBy(bad)).toThrow(RangeError)
    }
    for (const bad of [-1, 0.5, NaN, Infinity]) {
      expect(() => TimeWindows.ofSizeAndGrace(10, bad)).toThrow(RangeError)
    }
    expect(TimeWindows.ofSizeAndGrace(10, 0).graceMs).toBe(0)
  })

  it('refuses an advance larger than the size: some times would belong to no window', () => {
    expect(() => TimeWindows.ofSizeWithNoGrace(10).advanceBy(11)).toThrow(/times between windows/)
    expect(TimeWindows.ofSizeWithNoGrace(10).advanceBy(10).advanceMs).toBe(10)
  })
})

describe('isEventTime', () => {
  it('takes the integers from 0 to the last moment of a Date, and nothing else', () => {
    for (const good of [0, 1, 1_704_067_200_000, MAX_EVENT_TIME_MS]) expect(isEventTime(good)).toBe(true)
    const bad = [-1, 0.5, NaN, Infinity, MAX_EVENT_TIME_MS + 1, '5', 5n, null, undefined, new Date(5)]
    for (const value of bad) expect(isEventTime(value)).toBe(false)
  })

  it('ends where Date ends', () => {
    expect(Number.isNaN(new Date(MAX_EVENT_TIME_MS).getTime())).toBe(false)
    expect(Number.isNaN(new Date(MAX_EVENT_TIME_MS + 1).getTime())).toBe(true)
  })
})
