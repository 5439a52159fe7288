import { describe, expect, it } from 'vitest'
import { MemoryEngine } from '../../../../src/log/embedded/memory-engine.ts'
import { SeededRandom } from '../../../../src/testing/seeded-random.ts'
import { expectEngine } from '../../../support/engine-model.ts'

describe('MemoryEngine', () => {
  it('does what a sorted list does', () => expectEngine(() => Promise.resolve(new MemoryEngine()), 300))

  it('keeps the order of far more keys than one run holds', async () => {
    const engine = new MemoryEngine()
    const random = new SeededRandom(1)
    const keyOf = (number: number): Buffer => {
      const key = Buffer.alloc(4)
      key.writeUInt32BE(number)
      return key
    }
    const numbers = random.shuffle(Array.from({ length: 5000 }, (_, i) => i))
    for (const number of numbers) await engine.write([{ key: keyOf(number), value: keyOf(number) }])
    for (const number of numbers.slice(0, 4000)) await engine.write([{ key: keyOf(number), value: null }])
    const left = numbers.slice(4000).sort((a, b) => a - b)
    const range = { from: keyOf(0), to: keyOf(9999), limit: 10_000 }
    const found = await engine.scan(range)
    expect(found.map(({ key }) => key.readUInt32BE())).toEqual(left)
    const backward = await engine.scan({ ...range, reverse: true, limit: 10 })
    expect(backward.map(({ key }) => key.readUInt32BE())).toEqual(left.reverse().slice(0, 10))
  })
})
