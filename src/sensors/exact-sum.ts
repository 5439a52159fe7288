/**
 * Sums of doubles that do not depend on the order of addition: kept exactly, rounded once.
 *
 * A sum is held as **partials**: doubles in order of growing magnitude that do not overlap in their bits and
 * whose exact (unrounded) sum is the sum. Adding a number keeps that property (J. R. Shewchuk, "Adaptive
 * Precision Floating-Point Arithmetic and Fast Robust Geometric Predicates", 1997, GROW-EXPANSION). The
 * result is the double nearest to the exact sum, ties to even, as Python's `math.fsum` gives. The empty list
 * is zero.
 *
 * Lists are never changed: a partial sum can be kept, shared and rolled back by reference. Readings with a
 * few decimals need one to three partials; no sum needs more than 40.
 */

/**
 * The most partials a sum can need in canonical form: 2,098 bits from 2^1023 down to 2^-1074, 53 at a time.
 */
export const PARTIALS_MAX = 40

/**
 * The largest magnitude that may be added. 2^53 such numbers, more than can be counted, sum up to 2^1023, so
 * no order of additions can overflow on the way to a sum that fits.
 */
export const ADDEND_MAX = 2 ** 970

/** The sum of nothing. */
export const NO_PARTIALS: readonly number[] = []

/**
 * The exact sum of `partials` and `x`, as a new list. 0 and -0 change nothing. `RangeError` when `x` is NaN
 * or beyond `ADDEND_MAX` in magnitude.
 */
export function addExact(partials: readonly number[], x: number): readonly number[] {
  if (!(x <= ADDEND_MAX && x >= -ADDEND_MAX))
    throw new RangeError(`${x} cannot be added: beyond 2^970 or not a number`)
  return grow(partials, x)
}

/** The exact sum of both, as a new list. */
export function mergeExact(a: readonly number[], b: readonly number[]): readonly number[] {
  let sum = a
  for (const partial of b) sum = grow(sum, partial)
  return sum
}

/**
 * The double nearest to the exact sum, ties to even. Zero is always +0.
 *
 * The largest partials are added until one addition is inexact; its remainder decides all but a tie, and a
 * tie is decided by the sign of what lies below (the final correction of `math.fsum`).
 */
export function roundedSum(partials: readonly number[]): number {
  let i = partials.length - 1
  if (i < 0) return 0
  let sum = partials[i] as number
  let rest = 0
  while (i > 0 && rest === 0) {
    const next = partials[--i] as number
    const larger = sum
    sum = larger + next
    rest = next - (sum - larger)
  }
  if (i > 0 && rest < 0 === (partials[i - 1] as number) < 0) {
    const twice = rest * 2
    const away = sum + twice
    if (away - sum === twice) sum = away
  }
  return sum
}

/**
 * The one list of all that stand for the same exact sum: the last partial is the rounded sum, the one before
 * it the rounded remainder, and so on until nothing remains. Equal sums have equal canonical partials,
 * however they came about. The list is valid wherever partials are.
 */
export function canonicalPartials(partials: readonly number[]): readonly number[] {
  if (partials.length < 2) return partials
  const descending: number[] = []
  let rest = partials
  while (rest.length > 0) {
    const rounded = roundedSum(rest)
    descending.push(rounded)
    rest = grow(rest, -rounded)
  }
  return descending.reverse()
}

/** GROW-EXPANSION with zeros left out. The first steps are written out: nearly all sums end there. */
function grow(partials: readonly number[], x: number): readonly number[] {
  if (x === 0) return partials
  if (partials.length === 0) return [x]
  if (partials.length === 1) {
    const only = partials[0] as number
    const sum = only + x
    const rest = twoSumRest(only, x, sum)
    if (rest !== 0) return [rest, sum]
    return sum === 0 ? NO_PARTIALS : [sum]
  }
  const grown: number[] = []
  let carry = x
  for (let i = 0; i < partials.length; i++) {
    const partial = partials[i] as number
    const sum = partial + carry
    const rest = twoSumRest(partial, carry, sum)
    if (rest !== 0) grown.push(rest)
    carry = sum
  }
  if (carry !== 0) grown.push(carry)
  return grown
}

/**
 * What the rounding of `sum = a + b` left out, exactly (Knuth's TWO-SUM: no comparison of magnitudes needed).
 */
function twoSumRest(a: number, b: number, sum: number): number {
  const bRounded = sum - a
  return a - (sum - bRounded) + (b - bRounded)
}
