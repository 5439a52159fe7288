/**
 * An independent exact sum of doubles: every double is an integer multiple of 2^-1074, so sums are BigInt
 * sums of these integers, rounded to 53 bits at the end.
 */

const bits = new DataView(new ArrayBuffer(8))

/** `x` in units of 2^-1074. */
export function inSmallestUnits(x: number): bigint {
  bits.setFloat64(0, x)
  const word = bits.getBigUint64(0)
  const exponent = (word >> 52n) & 0x7ffn
  const fraction = word & 0xfffffffffffffn
  const magnitude = exponent === 0n ? fraction : (fraction | (1n << 52n)) << (exponent - 1n)
  return word >> 63n === 1n ? -magnitude : magnitude
}

/** The double nearest to `units` * 2^-1074, ties to even. */
export function nearestDouble(units: bigint): number {
  const magnitude = units < 0n ? -units : units
  const excess = BigInt(Math.max(0, magnitude.toString(2).length - 53))
  let kept = magnitude >> excess
  if (excess > 0n) {
    const cut = magnitude & ((1n << excess) - 1n)
    const half = 1n << (excess - 1n)
    if (cut > half || (cut === half && (kept & 1n) === 1n)) kept += 1n
  }
  const rounded = Number(kept) * 2 ** (Number(excess) - 1074)
  return units < 0n ? -rounded : rounded
}

/** The sum of `values`, correctly rounded; +0 when it is zero. */
export function rationalSum(values: Iterable<number>): number {
  let units = 0n
  for (const value of values) units += inSmallestUnits(value)
  return nearestDouble(units)
}
