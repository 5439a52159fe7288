/** How far numbers moved, by sign and order of magnitude: bounded whatever the numbers are. */

/** Deltas whose size lies in `[leastSize, mostSize)`, of one sign; both 0: deltas of exactly 0. */
export interface DeltaBar {
  readonly sign: -1 | 0 | 1
  readonly leastSize: number
  readonly mostSize: number
  readonly count: number
}

/** Sizes below and above have a bar of their own at each end. */
const LEAST_EXPONENT = -12
const MOST_EXPONENT = 12

export class DeltaHistogram {
  private readonly counts = new Map<number, number>()
  private zeros = 0

  /** Takes a delta; not a number counts as the largest. */
  add(delta: number): void {
    if (delta === 0) {
      this.zeros++
      return
    }
    const size = Math.abs(delta)
    const exponent = Number.isFinite(size) ? exponentOf(size) : MOST_EXPONENT
    const bounded = Math.max(LEAST_EXPONENT, Math.min(MOST_EXPONENT, exponent))
    // Bars in the order of the numbers: from the most negative to the most positive.
    const place = (bounded - LEAST_EXPONENT + 1) * (delta < 0 ? -1 : 1)
    this.counts.set(place, (this.counts.get(place) ?? 0) + 1)
  }

  /** All bars that hold anything, from the most negative deltas to the most positive ones. */
  bars(): readonly DeltaBar[] {
    const places = new Map(this.counts)
    if (this.zeros > 0) places.set(0, this.zeros)
    return [...places]
      .sort(([a], [b]) => a - b)
      .map(([place, count]) => {
        if (place === 0) return { sign: 0, leastSize: 0, mostSize: 0, count }
        const exponent = Math.abs(place) - 1 + LEAST_EXPONENT
        return {
          sign: place < 0 ? -1 : 1,
          leastSize: exponent === LEAST_EXPONENT ? 0 : powerOfTen(exponent),
          mostSize: exponent === MOST_EXPONENT ? Infinity : powerOfTen(exponent + 1),
          count,
        }
      })
  }
}

/** The exponent e with 10^e <= size < 10^(e+1), as decimal notation has it. */
function exponentOf(size: number): number {
  return Number(size.toExponential().split('e')[1])
}

function powerOfTen(exponent: number): number {
  return Number(`1e${exponent}`)
}
