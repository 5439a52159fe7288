/** One seed: a scenario, run calmly and disturbed, both compared with the oracle. */
import { SeededRandom } from '../../src/testing/seeded-random.ts'
import { differences, runForOracle } from './compare.ts'
import { expectedOutputs, type Expected } from './oracle.ts'
import { makePlan, type RunPlan } from './run-plan.ts'
import { runScenario, type RunOptions, type RunResult } from './run-scenario.ts'
import { describeScenario, makeScenario, type Scenario } from './scenario.ts'

export interface SimulatedSeed {
  readonly scenario: Scenario
  readonly plan: RunPlan
  readonly result: RunResult
  readonly expected: Expected
  /** Empty when everything is as the oracle says. */
  readonly problems: readonly string[]
}

export type Variant = 'calm' | 'disturbed'

/** Runs one variant of a seed. */
export async function simulate(
  seed: number,
  variant: Variant,
  options: RunOptions = {},
): Promise<SimulatedSeed> {
  const scenario = makeScenario(seed)
  // Phases come from the seed alone, so that both variants get the same input in the same portions.
  const drawn = makePlan(
    scenario,
    new SeededRandom(seed),
    new SeededRandom(seed + 1_000_003),
    new SeededRandom(seed + 2_000_003),
    variant === 'calm',
  )
  const plan = options.adjust?.(drawn) ?? drawn
  const result = await runScenario(scenario, plan, seed, { replay: plan.idleness, ...options })
  const expected = expectedOutputs(scenario, runForOracle(scenario, plan, result))
  const problems = [...differences(expected, result)]
  if (result.replay !== undefined) {
    problems.push(...differences(expected, result.replay).map((problem) => `replayed as live: ${problem}`))
  }
  return { scenario, plan, result, expected, problems }
}

/** What a person needs to look into a failure, with the command that repeats it. */
export function describeFailure(
  seed: number,
  variant: Variant,
  { scenario, plan, problems }: SimulatedSeed,
): string {
  return [
    `seed ${seed}, ${variant}: ${problems.length} differences`,
    ...problems.slice(0, 10).map((problem) => `  ${problem}`),
    `plan: ${JSON.stringify({ ...plan, phases: plan.phases.map(({ kind }) => kind) })}`,
    describeScenario(scenario),
    `repeat it: SEED=${seed} VARIANT=${variant} npx vitest run test/simulation/one-seed.test.ts`,
  ].join('\n')
}
