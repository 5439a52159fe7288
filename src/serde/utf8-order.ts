/** The order of texts by their UTF-8 bytes, which is how logs, stores and other languages sort keys. */

const FIRST_SURROGATE = 0xd800
const LAST_SURROGATE = 0xdfff

/**
 * Compares two texts as `Buffer.compare` compares their UTF-8 bytes, without making bytes: negative when `a`
 * comes first, 0 when equal, positive when `b` does. Plain `<` on strings differs: it puts surrogate pairs,
 * so everything from U+10000 on, before U+E000. Both texts must be well-formed.
 */
export function compareUtf8(a: string, b: string): number {
  if (a === b) return 0
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const unitA = a.charCodeAt(i)
    const unitB = b.charCodeAt(i)
    if (unitA !== unitB) return inCodePointOrder(unitA) - inCodePointOrder(unitB)
  }
  return a.length - b.length
}

/**
 * UTF-8 sorts by code point; only surrogate units stand in the wrong place for that, so they move to the end.
 */
function inCodePointOrder(unit: number): number {
  return unit >= FIRST_SURROGATE && unit <= LAST_SURROGATE ? unit + 0x10000 : unit
}
