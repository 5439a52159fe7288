/** Checks every pair of states against a table that the test spells out by itself. */
import { expect, it } from 'vitest'

/** `allowed`: `from -> to, to` lines; every other pair has to be refused. */
export function itTransitionsOnly<S extends string>(
  transition: (from: S, to: S) => S,
  states: readonly S[],
  allowed: Readonly<Record<S, string>>,
): void {
  for (const from of states) {
    const targets = allowed[from].split(' ').filter((name) => name !== '')
    for (const to of states) {
      if (targets.includes(to)) {
        it(`goes from ${from} to ${to}`, () => expect(transition(from, to)).toBe(to))
      } else {
        it(`does not go from ${from} to ${to}`, () =>
          expect(() => transition(from, to)).toThrow('assertion failed'))
      }
    }
  }
}
