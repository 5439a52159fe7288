/** Many seeds in one go: what failed, with the command that repeats it, and what was met on the way. */
import { coverageOf, recordsOf, runCoverageOf, type Coverage } from './coverage.ts'
import { faultsIn } from './run-statistics.ts'
import { describeFailure, simulate, type Variant } from './simulate.ts'

export interface SeedsSummary {
  readonly coverage: Coverage
  readonly statistics: Coverage
  /** Fewest records of a scenario. */
  readonly fewestRecords: number
  /** Fewest commits of a disturbed run, and runs that were not disturbed at all although they should. */
  readonly fewestCommits: number
  readonly undisturbed: number
}

/** Runs every seed disturbed and every eighth one calmly too; throws at the first that differs from the oracle. */
export async function simulateSeeds(from: number, to: number): Promise<SeedsSummary> {
  const coverage: Coverage = {}
  const statistics: Coverage = {}
  let fewestRecords = Infinity
  let fewestCommits = Infinity
  let undisturbed = 0
  for (let seed = from; seed < to; seed++) {
    const variants: readonly Variant[] = seed % 8 === 0 ? ['calm', 'disturbed'] : ['disturbed']
    for (const variant of variants) {
      const simulated = await simulateOrExplain(seed, variant)
      const { scenario, plan, expected, result } = simulated
      if (simulated.problems.length > 0) throw new Error(describeFailure(seed, variant, simulated))
      if (variant === 'calm') continue
      addAll(coverage, coverageOf(scenario, expected))
      addAll(coverage, runCoverageOf(scenario, plan, result))
      addAll(statistics, result.statistics)
      fewestRecords = Math.min(fewestRecords, recordsOf(scenario))
      fewestCommits = Math.min(fewestCommits, result.statistics.commits)
      if (faultsIn(result.statistics) === 0) undisturbed++
    }
  }
  return { coverage, statistics, fewestRecords, fewestCommits, undisturbed }
}

async function simulateOrExplain(seed: number, variant: Variant): ReturnType<typeof simulate> {
  try {
    return await simulate(seed, variant)
  } catch (error) {
    const command = `SEED=${seed} VARIANT=${variant} npx vitest run test/simulation/one-seed.test.ts`
    throw new Error(`seed ${seed}, ${variant}, did not end; repeat it: ${command}`, { cause: error })
  }
}

function addAll(sum: Coverage, part: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(part)) sum[name] = (sum[name] ?? 0) + count
}
