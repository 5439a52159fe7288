import { describe, expect, it } from 'vitest'
import { fraction, mix, mixInteger } from '../../../src/sensors/draws.ts'

describe('draws', () => {
  it('are even, for each purpose', () => {
    const buckets = 20
    const slots = 100_000
    for (const purpose of [0, 1, 5, 11]) {
      const counts = Array<number>(buckets).fill(0)
      for (let slot = 0; slot < slots; slot++) {
        const bucket = Math.floor(fraction(mixInteger(7, slot), purpose) * buckets)
        counts[bucket] = (counts[bucket] ?? 0) + 1
      }
      const expected = slots / buckets
      const chiSquare = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
      // 19 degrees of freedom: 1 in 100,000 is above 58.
      expect(chiSquare).toBeLessThan(58)
    }
  })

  it('for two purposes, slots or sensors have nothing to do with each other', () => {
    const correlation = (pairs: readonly (readonly [number, number])[]): number =>
      (pairs.reduce((sum, [a, b]) => sum + (a - 0.5) * (b - 0.5), 0) / pairs.length) * 12
    const slots = Array.from({ length: 50_000 }, (_, slot) => slot)
    const purposes = slots.map(
      (slot) => [fraction(mixInteger(1, slot), 2), fraction(mixInteger(1, slot), 3)] as const,
    )
    const times = slots.map(
      (slot) => [fraction(mixInteger(1, slot), 2), fraction(mixInteger(1, slot + 1), 2)] as const,
    )
    const sensors = slots.map(
      (slot) => [fraction(mixInteger(1, slot), 2), fraction(mixInteger(2, slot), 2)] as const,
    )
    // Five standard deviations of the mean of 50,000.
    for (const pairs of [purposes, times, sensors])
      expect(Math.abs(correlation(pairs))).toBeLessThan(5 / Math.sqrt(50_000))
  })

  it('see all bits of a large integer and the order of parts', () => {
    expect(mixInteger(0, 1)).not.toBe(mixInteger(0, 1 + 2 ** 32))
    expect(mix(mix(0, 1), 2)).not.toBe(mix(mix(0, 2), 1))
    expect(
      new Set(Array.from({ length: 10_000 }, (_, i) => mixInteger(3, i * 2 ** 20))).size,
    ).toBeGreaterThan(9_990)
  })

  it('stay the same between versions', () => {
    expect([mixInteger(0, 42), fraction(mixInteger(0, 42), 0), fraction(-1, 3)]).toMatchInlineSnapshot(`
      [
        388516607,
        0.11475670570507646,
        0.41416747588664293,
      ]
    `)
  })
})
