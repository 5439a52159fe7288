/** Chance that repeats: the same seed gives the same numbers, on every machine. */
import { assert } from '../assert.ts'
import type { Random } from '../clock.ts'

/**
 * Chris Doty-Humphrey's sfc32 (PractRand), seeded by splitmix32: small, fast, passes the usual batteries. Not for
 * secrets.
 */
export class SeededRandom implements Random {
  private a: number
  private b: number
  private c: number
  private counter = 1

  /** `seed`: any integer; the low 32 bits and the bits above both count. */
  constructor(seed: number) {
    assert(Number.isSafeInteger(seed), 'a seed is an integer')
    let state = seed | 0
    const splitmix = (): number => {
      state = (state + 0x9e3779b9) | 0
      let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad)
      mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
      return mixed ^ (mixed >>> 15)
    }
    this.a = splitmix()
    state = (splitmix() + Math.floor(seed / 4_294_967_296)) | 0
    this.b = splitmix()
    this.c = splitmix()
    for (let round = 0; round < 12; round += 1) this.next32()
  }

  /** The next 32 bits, as an unsigned number. */
  next32(): number {
    const sum = (this.a + this.b + this.counter) | 0
    this.counter = (this.counter + 1) | 0
    this.a = this.b ^ (this.b >>> 9)
    this.b = (this.c + (this.c << 3)) | 0
    this.c = ((this.c << 21) | (this.c >>> 11)) + sum
    return sum >>> 0
  }

  /** In [0, 1), with 53 random bits. */
  fraction(): number {
    const high = this.next32() >>> 5
    const low = this.next32() >>> 6
    return (high * 67_108_864 + low) / 9_007_199_254_740_992
  }

  /** An integer in [0, bound), `bound` at least 1. */
  int(bound: number): number {
    assert(Number.isSafeInteger(bound) && bound >= 1, `a bound is a positive integer, not ${bound}`)
    return Math.floor(this.fraction() * bound)
  }

  /** True with the given probability: never at 0, always at 1. */
  chance(probability: number): boolean {
    return this.fraction() < probability
  }

  /** One of the list, which has at least one. */
  pick<T>(list: readonly T[]): T {
    assert(list.length > 0, 'there is something to pick')
    return list[this.int(list.length)] as T
  }

  /** A new list in another order (Fisher and Yates). */
  shuffle<T>(list: readonly T[]): T[] {
    const shuffled = [...list]
    for (let last = shuffled.length - 1; last > 0; last -= 1) {
      const other = this.int(last + 1)
      const moved = shuffled[last] as T
      shuffled[last] = shuffled[other] as T
      shuffled[other] = moved
    }
    return shuffled
  }

  /** A generator of its own, so that drawing from one does not change what the other gives. */
  fork(): SeededRandom {
    return new SeededRandom(this.next32() * 1_048_576 + (this.next32() >>> 12))
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.next32() & 0xff)
  }

  uuid(): string {
    const hex = Buffer.from(this.bytes(16)).toString('hex')
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
  }
}
