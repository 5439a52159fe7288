/** The small sums of the oracle, written anew so that they share nothing with the code they check. */

/**
 * Kafka's murmur2 of a text's UTF-8 bytes (seed 0x9747b28c), as an unsigned number: four bytes at a time,
 * little end first, then up to three left over.
 */
export function murmur2(text: string): number {
  const bytes = Buffer.from(text, 'utf8')
  const wholeWords = Math.floor(bytes.length / 4)
  let hash = 0x9747b28c ^ bytes.length
  for (let word = 0; word < wholeWords; word += 1) {
    let mixed = Math.imul(bytes.readInt32LE(4 * word), 0x5bd1e995)
    mixed ^= mixed >>> 24
    hash = Math.imul(hash, 0x5bd1e995) ^ Math.imul(mixed, 0x5bd1e995)
  }
  const rest = bytes.subarray(4 * wholeWords)
  if (rest.length > 0) hash = Math.imul(hash ^ rest.readUIntLE(0, rest.length), 0x5bd1e995)
  hash = Math.imul(hash ^ (hash >>> 13), 0x5bd1e995)
  return (hash ^ (hash >>> 15)) >>> 0
}

/** The partition of a key, of `partitions`. */
export function partitionOf(key: string, partitions: number): number {
  return (murmur2(key) & 0x7fffffff) % partitions
}

/** Bytes of texts that were compared before; the same few hundred keys are compared again and again. */
const knownBytes = new Map<string, Buffer>()

/** Orders texts by their UTF-8 bytes. */
export function compareUtf8(left: string, right: string): number {
  return Buffer.compare(bytesOf(left), bytesOf(right))
}

function bytesOf(text: string): Buffer {
  const known = knownBytes.get(text)
  if (known !== undefined) return known
  if (knownBytes.size >= 10_000) knownBytes.clear()
  const bytes = Buffer.from(text, 'utf8')
  knownBytes.set(text, bytes)
  return bytes
}

/** Starts of all windows `[start, start + sizeMs)` that contain a time, ascending; none begins before 0. */
export function windowStarts(timeMs: number, sizeMs: number, advanceMs: number): readonly number[] {
  const starts: number[] = []
  const latest = Math.floor(timeMs / advanceMs) * advanceMs
  for (let start = latest; start > timeMs - sizeMs && start >= 0; start -= advanceMs) starts.unshift(start)
  return starts
}

/** Whether a value is an event time: an integer from 0 to 8.64e15. */
export function isEventTime(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 8.64e15
}
