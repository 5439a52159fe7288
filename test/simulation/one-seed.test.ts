/** Repeats one seed of the simulation: `SEED=17 VARIANT=disturbed npx vitest run test/simulation/one-seed.test.ts`. */
import { expect, it } from 'vitest'
import { describeFailure, simulate, type Variant } from './simulate.ts'

const seed = Number(process.env['SEED'] ?? 1)
const variants: readonly Variant[] =
  process.env['VARIANT'] === undefined ? ['calm', 'disturbed'] : [process.env['VARIANT'] as Variant]

it.each(variants)(
  'a seed gives what the oracle says, %s',
  async (variant) => {
    const simulated = await simulate(seed, variant)
    expect(simulated.problems, describeFailure(seed, variant, simulated)).toEqual([])
  },
  120_000,
)
