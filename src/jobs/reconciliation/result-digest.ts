/**
 * SHA-256 over all results of one side, for comparing whole sides without sending them.
 *
 * In the order of topic, partition, key bytes: partition as 32 bits, length of the key as 32 bits, key, length of the
 * value as 32 bits, value; all numbers big-endian. So it can be calculated by anybody who can read the topic.
 */
import { createHash } from 'node:crypto'

export class ResultDigest {
  /** Results taken so far. */
  results = 0
  private readonly hash = createHash('sha256')
  private readonly numbers = Buffer.alloc(8)

  /** Takes the next result, in the order above. */
  add(partition: number, key: Buffer, value: Buffer): void {
    this.numbers.writeUInt32BE(partition, 0)
    this.numbers.writeUInt32BE(key.length, 4)
    this.hash.update(this.numbers).update(key)
    this.numbers.writeUInt32BE(value.length, 0)
    this.hash.update(this.numbers.subarray(0, 4)).update(value)
    this.results++
  }

  /** The digest in lower-case hexadecimal; nothing can be added afterwards. */
  sha256(): string {
    return this.hash.digest('hex')
  }
}
