/** What every engine has to do, against a plain sorted list. */
import fc from 'fast-check'
import { expect } from 'vitest'
import type { Engine, EngineOp } from '../../src/log/embedded/engine.ts'

type Step =
  | { readonly kind: 'write'; readonly ops: readonly EngineOp[]; readonly sync: boolean }
  | { readonly kind: 'get'; readonly keys: readonly Buffer[] }
  | {
      readonly kind: 'scan'
      readonly from: Buffer
      readonly to: Buffer
      readonly limit: number
      readonly reverse: boolean
    }

const bytes = (max: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ minLength: 1, maxLength: max }).map((array) => Buffer.from(array))
// Few different keys, so that they are met again; all byte values, so that signs and text play no part.
const key = fc.oneof(
  bytes(2),
  fc.constantFrom(0, 1, 127, 128, 254, 255).map((byte) => Buffer.from([byte, byte])),
)
const op: fc.Arbitrary<EngineOp> = fc.record({ key, value: fc.option(bytes(20), { freq: 3 }) })

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('write' as const),
        ops: fc.array(op, { maxLength: 40 }),
        sync: fc.boolean(),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('get' as const), keys: fc.array(key, { maxLength: 5 }) }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('scan' as const),
        from: key,
        to: key,
        limit: fc.integer({ min: 1, max: 50 }),
        reverse: fc.boolean(),
      }),
    },
  ),
  { maxLength: 30 },
)

/** `newEngine` gives an empty one each time. */
export async function expectEngine(newEngine: () => Promise<Engine>, numRuns: number): Promise<void> {
  await fc.assert(
    fc.asyncProperty(steps, async (list) => {
      const engine = await newEngine()
      const model = new Map<string, Buffer>()
      for (const step of list) {
        if (step.kind === 'write') {
          await engine.write(step.ops, { sync: step.sync })
          for (const { key: name, value } of step.ops) {
            if (value === null) model.delete(name.toString('hex'))
            else model.set(name.toString('hex'), value)
          }
        } else if (step.kind === 'get') {
          const expected = step.keys.map((name) => model.get(name.toString('hex')))
          expect(await engine.getMany(step.keys)).toEqual(expected)
          for (const [i, name] of step.keys.entries()) expect(await engine.get(name)).toEqual(expected[i])
        } else {
          const [from, to] = [step.from.toString('hex'), step.to.toString('hex')]
          const expected = [...model.entries()]
            .filter(([name]) => name >= from && name < to)
            .sort(([a], [b]) => (a < b ? -1 : 1))
          if (step.reverse) expected.reverse()
          const found = await engine.scan(step)
          expect(found.map((entry) => [entry.key.toString('hex'), entry.value])).toEqual(
            expected.slice(0, step.limit),
          )
        }
      }
      await engine.close()
    }),
    { seed: 31, numRuns },
  )
}
