import { describe, expect, it } from 'vitest'
import { BatchIndex } from '../../../../src/log/embedded/batch-index.ts'
import { MemoryEngine } from '../../../../src/log/embedded/memory-engine.ts'
import { keyOf, type IndexEntry } from '../../../../src/log/embedded/storage-layout.ts'
import { put } from '../../../../src/log/embedded/stored-entries.ts'
import { SeededRandom } from '../../../../src/testing/seeded-random.ts'

const entryAt = (base: number, last: number): IndexEntry => {
  return { base, last, bytes: 100, firstTimestampMs: 0, maxTimestampMs: 0, tombstonesUntilMs: 0 }
}

/** An index, the engine below it, and a plain list of what should be in it. */
class Checked {
  readonly engine = new MemoryEngine()
  readonly index: BatchIndex
  readonly entries: IndexEntry[]

  constructor(entries: IndexEntry[], end: number) {
    this.entries = entries
    this.index = new BatchIndex(this.engine, 5, end)
  }

  async store(entries: readonly IndexEntry[]): Promise<void> {
    await this.engine.write(entries.map((entry) => put.index(5, entry)))
  }

  /** Everything from `from`, put together from the pieces the index gives. */
  async all(from: number, to: number): Promise<IndexEntry[]> {
    const found: IndexEntry[] = []
    for (let at = from; at < to;) {
      const { entries, upTo } = await this.index.list(at, to)
      expect(upTo > at && upTo <= to).toBe(true)
      found.push(...entries)
      at = upTo
    }
    return found
  }

  async expectAll(from: number, to: number): Promise<void> {
    const expected = from < to ? this.entries.filter(({ base, last }) => last >= from && base < to) : []
    expect(await this.all(from, to)).toEqual(expected)
  }
}

describe('BatchIndex', () => {
  it('lists stored batches from any offset, in the middle of one and in gaps too', async () => {
    const entries = Array.from({ length: 700 }, (_, i) => entryAt(i * 10, i * 10 + 6))
    const checked = new Checked(entries, 7000)
    await checked.store(entries)
    for (const from of [0, 1, 6, 7, 9, 10, 2563, 2560, 6996, 6999]) await checked.expectAll(from, 7000)
    await checked.expectAll(15, 42)
    expect(await checked.index.list(7000, 7000)).toEqual({ entries: [], upTo: 7000 })
  })

  it('agrees with a plain list whatever happens', async () => {
    const random = new SeededRandom(4)
    for (let round = 0; round < 12; round += 1) {
      const checked = new Checked([], 0)
      let end = 0
      let stable = 0
      const open: IndexEntry[] = []
      for (let step = 0; step < 1500; step += 1) {
        const chance = random.fraction()
        if (chance < 0.5) {
          const last = end + random.int(5)
          open.push(entryAt(end, last))
          end = last + 1 + random.int(3)
        } else if (chance < 0.95 && open.length > 0) {
          // Transactions end in any order, the first one often late; some vanish.
          const first = random.chance(0.3) ? 0 : Math.min(1, open.length - 1)
          const [entry] = open.splice(first + random.int(open.length - first), 1)
          if (random.chance(0.8)) {
            await checked.store([entry!])
            checked.index.added([entry!])
            checked.entries.push(entry!)
            checked.entries.sort((a, b) => a.base - b.base)
          }
          stable = open[0]?.base ?? end
          checked.index.trim(stable)
        } else if (chance < 0.97 && checked.entries.length > 0) {
          const at = random.int(checked.entries.length)
          const { base } = checked.entries[at]!
          if (base >= stable) continue
          await checked.engine.write([{ key: keyOf.index(5, base), value: null }])
          checked.index.replaced(base, null)
          checked.entries.splice(at, 1)
        } else {
          const from = random.int(stable + 1)
          await checked.expectAll(from, from + random.int(stable - from + 1))
        }
      }
      await checked.expectAll(0, stable)
    }
  })

  it('keeps what transactions leave that end long after later ones', async () => {
    const checked = new Checked([], 0)
    const early = entryAt(0, 4)
    const later = Array.from({ length: 400 }, (_, i) => entryAt(10 + i * 10, 14 + i * 10))
    for (const entry of later) {
      await checked.store([entry])
      checked.index.added([entry])
      checked.index.trim(0)
    }
    await checked.store([early])
    checked.index.added([early])
    checked.index.trim(4010)
    checked.entries.push(early, ...later)
    await checked.expectAll(0, 4010)
  })

  it('does not keep what changed while it was read', async () => {
    const entries = [entryAt(0, 4), entryAt(10, 14)]
    const checked = new Checked([...entries], 20)
    await checked.store(entries)
    const reading = checked.index.list(0, 20)
    await checked.engine.write([{ key: keyOf.index(5, 0), value: null }])
    checked.index.replaced(0, null)
    checked.entries.shift()
    await reading
    await checked.expectAll(0, 20)
  })
})
