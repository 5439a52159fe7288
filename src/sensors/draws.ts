/**
 * Chance as a function: a draw is the hash of who draws and for what, so it does not depend on what was drawn
 * before. Not for secrets. The mixing step is MurmurHash3's 32-bit finalizer, of which every input bit
 * changes each output bit with a chance of about one half.
 */

const GOLDEN_RATIO = 0x9e3779b9

/** Hash of a hash and one more 32-bit number. Start with 0. */
export function mix(hash: number, next: number): number {
  return finalize(Math.imul(hash, 31) + GOLDEN_RATIO + next)
}

/** Hash of a hash and a safe non-negative integer. */
export function mixInteger(hash: number, integer: number): number {
  return mix(mix(hash, integer >>> 0), Math.floor(integer / 2 ** 32))
}

/** The draw of `hash` for `purpose`, a small integer: a number in `[0, 1)`, even to 32 bits. */
export function fraction(hash: number, purpose: number): number {
  return (finalize(hash + Math.imul(purpose + 1, GOLDEN_RATIO)) >>> 0) / 2 ** 32
}

function finalize(value: number): number {
  let mixed = value | 0
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return mixed ^ (mixed >>> 16)
}
