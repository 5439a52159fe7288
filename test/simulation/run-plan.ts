/** How a scenario is run: in which phases, on how many instances, with which settings and faults. All from the seed. */
import type { StreamsConfigInput } from '../../src/runtime/config.ts'
import type { SeededRandom } from '../../src/testing/seeded-random.ts'
import type { NetworkFaults } from './faulty-connection.ts'
import type { Scenario } from './scenario.ts'

export interface PhasePlan {
  /** Records of each source partition that are in the log when the phase ends, by `topic/partition`. */
  readonly ends: Readonly<Record<string, number>>
  /** `live`: records come while instances run; else they are there before a bounded run begins. */
  readonly kind: 'live' | 'until-end' | 'flush'
}

export interface ChaosPlan {
  readonly instancesMax: number
  /** Mean time between events, in simulated milliseconds; 0 for none. */
  readonly meanMs: number
  readonly network: NetworkFaults
  readonly markerDelayMsMax: number
}

export interface RunPlan {
  readonly phases: readonly PhasePlan[]
  readonly chaos: ChaosPlan
  readonly config: Omit<StreamsConfigInput, 'applicationId'>
  /** Partitions pause so long that they become idle. */
  readonly idleness: boolean
  /** The group with its offsets is gone at the end of a phase. */
  readonly forgetsGroup: boolean
  /** Every phase begins with an instance that stands still while it starts. */
  readonly startsSlowly: boolean
}

export const CALM: ChaosPlan = {
  instancesMax: 1,
  meanMs: 0,
  network: { delayMsMax: 0, lostRequests: 0, lostAnswers: 0 },
  markerDelayMsMax: 0,
}

/** A plan for a scenario. The phases depend on `phaseRandom` alone, so that several runs may share them. */
export function makePlan(
  scenario: Scenario,
  phaseRandom: SeededRandom,
  random: SeededRandom,
  standbyRandom: SeededRandom,
  calm: boolean,
): RunPlan {
  const idleness = phaseRandom.chance(0.25)
  const phases = makePhases(scenario, phaseRandom, idleness)
  const idleTimeoutMs = idleness ? 300 : null
  const fixed = {
    outOfOrdernessMs: scenario.outOfOrdernessMs,
    lateTopic: scenario.lateTopic,
    deadLetterTopic: scenario.deadLetterTopic,
    maxFutureSkewMs: null,
    idleTimeoutMs,
    sessionTimeoutMs: 400,
    rebalanceTimeoutMs: 1_500,
    transactionTimeoutMs: 600,
  }
  if (calm) {
    const config = { ...fixed, commitIntervalMs: 10, commitRecords: 60 }
    return { phases, chaos: CALM, config, idleness, forgetsGroup: false, startsSlowly: false }
  }
  const chaos = {
    instancesMax: 1 + random.int(3),
    meanMs: random.pick([150, 300, 600]),
    network: {
      delayMsMax: random.int(4),
      lostRequests: random.pick([0, 0.002, 0.01]),
      lostAnswers: random.pick([0, 0.002, 0.01]),
    },
    markerDelayMsMax: random.pick([0, 3, 20]),
  }
  const config = {
    ...fixed,
    commitIntervalMs: 3 + random.int(40),
    commitRecords: 9 + random.int(16),
    stateFlushIntervalMs: random.pick([0, 20, 150]),
    inputBufferBytes: random.pick([8_192, 32_768, 32_768, 1_048_576, 1_048_576]),
    stateMemoryBytes: random.pick([16 * 1024, 128 * 1024, 16 * 1024 * 1024]),
  }
  const forgetsGroup = random.chance(0.3)
  const startsSlowly = random.chance(0.3)
  // From a stream of its own: the other draws are what they are without it.
  const standbys = standbyRandom.pick([0, 0, 0, 1, 2])
  return { phases, chaos, config: { ...config, standbys }, idleness, forgetsGroup, startsSlowly }
}

function makePhases(scenario: Scenario, random: SeededRandom, idleness: boolean): readonly PhasePlan[] {
  const kinds: readonly PhasePlan['kind'][] = idleness
    ? random.pick([['live'], ['live', 'live'], ['flush', 'live']] as const)
    : random.pick([
        ['live'],
        ['live', 'flush'],
        ['flush', 'flush'],
        ['flush', 'live'],
        ['until-end', 'flush'],
        ['until-end', 'live', 'flush'],
        ['flush', 'until-end', 'flush'],
      ] as const)
  return kinds.map((kind, index) => {
    const isLast = index === kinds.length - 1
    const ends: Record<string, number> = {}
    for (const { topic, partitions } of scenario.sources) {
      partitions.forEach((records, partition) => {
        const share = isLast ? 1 : (index + random.fraction()) / kinds.length
        ends[`${topic}/${partition}`] = Math.floor(records.length * share)
      })
    }
    return { kind, ends }
  })
}
