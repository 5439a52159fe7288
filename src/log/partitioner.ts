/**
 * Which partition a key belongs to, exactly as Java's clients decide, so that topics can be shared with them.
 */

const SEED = 0x9747b28c
const MULTIPLIER = 0x5bd1e995
const SHIFT = 24

/**
 * Austin Appleby's MurmurHash2 with Kafka's seed, as a signed 32-bit number: the same as
 * `org.apache.kafka.common.utils.Utils.murmur2`. Hashes the first `length` bytes.
 */
export function murmur2(bytes: Uint8Array, length = bytes.length): number {
  let hash = SEED ^ length
  let at = 0
  for (; at + 4 <= length; at += 4) {
    let word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    word = Math.imul(word, MULTIPLIER)
    word ^= word >>> SHIFT
    hash = Math.imul(hash, MULTIPLIER) ^ Math.imul(word, MULTIPLIER)
  }
  const left = length - at
  if (left === 3) hash ^= bytes[at + 2]! << 16
  if (left >= 2) hash ^= bytes[at + 1]! << 8
  if (left >= 1) hash = Math.imul(hash ^ bytes[at]!, MULTIPLIER)
  hash = Math.imul(hash ^ (hash >>> 13), MULTIPLIER)
  return hash ^ (hash >>> 15)
}

/**
 * The partition in `[0, partitions)` of a serialised key: `(murmur2(bytes) & 0x7fffffff) % partitions`. A string
 * stands for its UTF-8 bytes.
 */
export function partitionForKey(key: Buffer | string, partitions: number): number {
  const hash = typeof key === 'string' ? murmur2OfString(key) : murmur2(key)
  return (hash & 0x7fffffff) % partitions
}

/** Reused, because a key is hashed for each record sent. */
const scratch = Buffer.allocUnsafe(384)

function murmur2OfString(key: string): number {
  if (key.length * 3 > scratch.length) return murmur2(Buffer.from(key))
  let length = 0
  for (; length < key.length; length += 1) {
    const code = key.charCodeAt(length)
    if (code > 127) break
    scratch[length] = code
  }
  if (length < key.length) length = scratch.write(key, 0, 'utf8')
  return murmur2(scratch, length)
}
