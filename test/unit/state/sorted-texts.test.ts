import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compareUtf8 } from '../../../src/serde/utf8-order.ts'
import { SortedTexts } from '../../../src/state/sorted-texts.ts'

const TEXTS = ['', 'a', 'aa', 'b', 'ä', '\uffff', '\u{1f600}']
const text = fc.constantFrom(...TEXTS)
const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))

const steps = fc.array(
  fc.oneof(
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('add' as const), text }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove' as const), text }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('between' as const),
        from: fc.option(text, { nil: undefined }),
        to: fc.option(text, { nil: undefined }),
      }),
    },
  ),
  { maxLength: 40 },
)

describe('SortedTexts', () => {
  it('answers what a sorted set would, though removals are never told', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const texts = new SortedTexts(compareUtf8)
        const living = new Set<string>()
        for (const step of all) {
          if (step.kind === 'remove') {
            living.delete(step.text)
          } else if (step.kind === 'add') {
            // A text is told when it comes to live, as stores do.
            if (!living.has(step.text)) texts.add(step.text)
            living.add(step.text)
          } else {
            const expected = [...living]
              .sort(byBytes)
              .filter((one) => step.from === undefined || byBytes(one, step.from) >= 0)
              .filter((one) => step.to === undefined || byBytes(one, step.to) < 0)
            expect(texts.between(step.from, step.to, (one) => living.has(one))).toEqual(expected)
          }
        }
      }),
      { seed: 241, numRuns: 1000 },
    )
  })

  it('orders by what it is told to order by', () => {
    const texts = new SortedTexts((a, b) => b.length - a.length)
    for (const one of ['a', 'ccc', 'bb']) texts.add(one)
    expect(texts.between(undefined, undefined, () => true)).toEqual(['ccc', 'bb', 'a'])
  })

  it('gives a list of its own: what is added later is not in it', () => {
    const texts = new SortedTexts(compareUtf8)
    texts.add('a')
    const before = texts.between(undefined, undefined, () => true)
    texts.add('b')
    texts.between(undefined, undefined, () => true)
    expect(before).toEqual(['a'])
  })
})
