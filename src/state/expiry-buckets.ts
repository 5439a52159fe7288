/**
 * Which entries expire when, in coarse buckets of event time: adding costs a list append, and a whole bucket is taken
 * when all of it has expired. An entry that is written again stands in several buckets; the taker looks at its time.
 */
const BUCKETS_PER_LIFE = 8

export class ExpiryBuckets<E> {
  private readonly ttlMs: number
  private readonly bucketMs: number
  private readonly buckets = new Map<number, E[]>()
  private earliest = Infinity
  private lastIndex = NaN
  private lastBucket: E[] | undefined

  constructor(ttlMs: number) {
    this.ttlMs = ttlMs
    this.bucketMs = Math.max(1, Math.ceil(ttlMs / BUCKETS_PER_LIFE))
  }

  add(entry: E, timestampMs: number): void {
    const index = Math.floor(timestampMs / this.bucketMs)
    if (index !== this.lastIndex || this.lastBucket === undefined) {
      this.lastIndex = index
      this.lastBucket = this.buckets.get(index)
      if (this.lastBucket === undefined) {
        this.lastBucket = []
        this.buckets.set(index, this.lastBucket)
        if (index < this.earliest) this.earliest = index
      }
    }
    this.lastBucket.push(entry)
  }

  /** Removes and answers the entries of all buckets whose last moment plus the life is at or before `expiredThroughMs`. */
  takeExpired(expiredThroughMs: number): E[] {
    const taken: E[] = []
    if (!this.hasExpired(this.earliest, expiredThroughMs)) return taken
    for (const index of [...this.buckets.keys()].sort((a, b) => a - b)) {
      if (!this.hasExpired(index, expiredThroughMs)) break
      for (const entry of this.buckets.get(index)!) taken.push(entry)
      this.buckets.delete(index)
    }
    this.earliest = Math.min(...this.buckets.keys())
    this.lastBucket = undefined
    return taken
  }

  private hasExpired(index: number, expiredThroughMs: number): boolean {
    return (index + 1) * this.bucketMs - 1 + this.ttlMs <= expiredThroughMs
  }
}
