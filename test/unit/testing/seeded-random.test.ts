import { describe, expect, it } from 'vitest'
import { SeededRandom } from '../../../src/testing/seeded-random.ts'

const draw = (random: SeededRandom, count = 8): number[] =>
  Array.from({ length: count }, () => random.next32())

describe('SeededRandom', () => {
  it('repeats itself for a seed and differs between seeds, above 32 bits too', () => {
    expect(draw(new SeededRandom(42))).toEqual(draw(new SeededRandom(42)))
    const firsts = [0, 1, 2, -1, 2 ** 32, 2 ** 33, 2 ** 32 + 1].map((seed) =>
      draw(new SeededRandom(seed)).join(),
    )
    expect(new Set(firsts).size).toBe(firsts.length)
  })

  it('keeps its numbers from release to release', () => {
    expect(draw(new SeededRandom(1), 3)).toMatchInlineSnapshot(`
      [
        2720867309,
        3455893684,
        1389308749,
      ]
    `)
    expect(new SeededRandom(1).uuid()).toMatchInlineSnapshot(`"edb44d54-5477-9cdf-b79d-aebecbee361b"`)
  })

  it('spreads fractions evenly over [0, 1)', () => {
    const random = new SeededRandom(7)
    const tenths = new Array<number>(10).fill(0)
    for (let i = 0; i < 100_000; i += 1) {
      const fraction = random.fraction()
      expect(fraction >= 0 && fraction < 1).toBe(true)
      tenths[Math.floor(fraction * 10)]! += 1
    }
    for (const count of tenths) expect(Math.abs(count - 10_000)).toBeLessThan(400)
  })

  it('draws integers below the bound, all of them', () => {
    const random = new SeededRandom(8)
    expect(new Set(Array.from({ length: 200 }, () => random.int(5)))).toEqual(new Set([0, 1, 2, 3, 4]))
    expect(random.int(1)).toBe(0)
    expect(() => random.int(0)).toThrow('a bound is a positive integer')
  })

  it('never takes a chance of 0 and always one of 1', () => {
    const random = new SeededRandom(9)
    for (let i = 0; i < 1000; i += 1) expect([random.chance(0), random.chance(1)]).toEqual([false, true])
  })

  it('shuffles without losing or doubling anything', () => {
    const list = Array.from({ length: 30 }, (_, i) => i)
    const shuffled = new SeededRandom(10).shuffle(list)
    expect(shuffled).not.toEqual(list)
    expect([...shuffled].sort((a, b) => a - b)).toEqual(list)
  })

  it('forks generators that do not disturb each other', () => {
    const [one, two] = [new SeededRandom(3), new SeededRandom(3)]
    const [forkOne, forkTwo] = [one.fork(), two.fork()]
    draw(forkOne, 100)
    expect(draw(one)).toEqual(draw(two))
    draw(forkTwo, 100)
    expect(draw(forkOne)).toEqual(draw(forkTwo))
  })

  it('picks from a list and refuses an empty one', () => {
    const random = new SeededRandom(11)
    expect(new Set(Array.from({ length: 100 }, () => random.pick(['a', 'b'])))).toEqual(new Set(['a', 'b']))
    expect(() => random.pick([])).toThrow('something to pick')
  })

  it('makes ids of the usual shape', () => {
    expect(new SeededRandom(12).uuid()).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
  })
})
