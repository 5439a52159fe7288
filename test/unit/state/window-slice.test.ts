import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { WindowSlices } from '../../../src/state/window-slice.ts'

describe('WindowSlices', () => {
  it('keeps windows by their start and knows the starts in order, as a sorted set would', () => {
    const steps = fc.array(
      fc.record({
        kind: fc.constantFrom('open' as const, 'remove' as const, 'at' as const),
        startMs: fc.nat(9),
      }),
      { maxLength: 40 },
    )
    fc.assert(
      fc.property(steps, (all) => {
        const slices = new WindowSlices<string, number>()
        const open = new Map<number, unknown>()
        for (const { kind, startMs } of all) {
          if (kind === 'open') {
            const slice = slices.open(startMs)
            if (open.has(startMs)) expect(slice).toBe(open.get(startMs))
            open.set(startMs, slice)
          } else if (kind === 'remove') {
            slices.remove(startMs)
            open.delete(startMs)
          }
          expect(slices.at(startMs)).toBe(open.get(startMs))
          expect(slices.starts).toEqual([...open.keys()].sort((a, b) => a - b))
          expect(slices.earliestStartMs).toBe(open.size === 0 ? undefined : Math.min(...open.keys()))
          expect(new Set(slices.values())).toEqual(new Set(open.values()))
        }
      }),
      { seed: 251, numRuns: 500 },
    )
  })

  it('opens windows empty and complete', () => {
    const slice = new WindowSlices<string, number>().open(70)
    expect(slice).toEqual({ startMs: 70, entries: new Map(), complete: true })
  })
})
