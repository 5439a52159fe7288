/** A process that runs the seeds of its arguments, `from to`, and sends what came of it to its parent. */
import { inspect } from 'node:util'
import { simulateSeeds, type SeedsSummary } from './seeds.ts'

/** What the process sends. */
export type SeedsMessage = { readonly summary: SeedsSummary } | { readonly failure: string }

const [from = 0, to = 0] = process.argv.slice(2).map(Number)
try {
  process.send!({ summary: await simulateSeeds(from, to) } satisfies SeedsMessage)
} catch (error) {
  const failure = error instanceof Error && error.cause === undefined ? error.message : inspect(error)
  process.send!({ failure } satisfies SeedsMessage)
}
process.disconnect()
