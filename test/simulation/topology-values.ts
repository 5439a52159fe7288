/** Draws the parts of stages that do not depend on the topology around them. */
import type { SeededRandom } from '../../src/testing/seeded-random.ts'
import type { AggregatorSpec, PredicateSpec, WindowSpec } from './topology-spec.ts'

/** Event time of the records. */
export interface TimeScale {
  /** Average between two records of a partition. */
  readonly stepMs: number
  /** Steps from the first to the last record of an average partition. */
  readonly steps: number
}

/** Windows of a fifth of all event time at most, and that divided by `shorter`. */
export function drawWindows(random: SeededRandom, scale: TimeScale, shorter = 1): WindowSpec {
  const { stepMs, steps } = scale
  const longest = Math.max(2, Math.min(40, Math.floor(steps / 5 / shorter)))
  const sizeMs = stepMs * (2 + random.int(longest)) + random.int(2)
  const advanceMs = random.chance(0.6) ? sizeMs : Math.ceil(sizeMs * random.pick([1 / 2, 1 / 3, 0.4]))
  const graceMs = random.pick([0, 0, stepMs * random.int(6), Math.floor(sizeMs * random.fraction() * 1.5)])
  return { sizeMs, advanceMs, graceMs }
}

/** Any aggregator, declared commutative or not. */
export function drawAggregator(random: SeededRandom): AggregatorSpec {
  return random.pick<AggregatorSpec>([
    { by: 'count' },
    { by: 'last' },
    { by: 'largest', commutative: random.chance(0.5) },
    { by: 'list', size: 1 + random.int(4) },
    { by: 'stats', commutative: random.chance(0.7) },
  ])
}

/** One remainder of the modulus. */
export function drawPredicate(random: SeededRandom, modulus: number): PredicateSpec {
  return { modulus, remainder: random.int(modulus) }
}
