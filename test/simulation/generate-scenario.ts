/** Draws a whole scenario from a seed. */
import { SeededRandom } from '../../src/testing/seeded-random.ts'
import { drawPartition, drawTexts, drawTroubles, type RecordPlan } from './generate-records.ts'
import { coreNames, makeTopology } from './generate-topology.ts'
import type { Phase } from './oracle.ts'
import type { Scenario, ScenarioRecord, ScenarioSource } from './scenario.ts'
import type { TopologySpec } from './topology-spec.ts'

/** What is not left to chance. */
export interface ScenarioOptions {
  /** Records over all topics. Default 2,000 to 2,600. */
  readonly records?: number
  /** Inputs of one task at most. Default 24. */
  readonly maxChannels?: number
  /** Stages at most, sinks included. Default 26. */
  readonly maxStages?: number
  /** One of `coreNames`. By default the seed goes through them. */
  readonly core?: string
}

/** A partition before its records are drawn. */
interface Slot {
  readonly topic: string
  readonly partition: number
  readonly partitions: number
  readonly weight: number
  readonly behindMs: number
}

/** The scenario of a seed: the same seed and options give the same one. */
export function makeScenario(seed: number, options: ScenarioOptions = {}): Scenario {
  const random = new SeededRandom(seed)
  const stepMs = random.pick([5, 20, 100, 1_000])
  const startMs = random.chance(0.3) ? 0 : 1_700_000_000_000 + random.int(100_000)
  const total = options.records ?? 2_000 + random.int(100)
  const slots = drawSlots(random, total * stepMs)
  const core = options.core ?? coreNames[((seed % coreNames.length) + coreNames.length) % coreNames.length]!
  const limits = {
    maxChannels: options.maxChannels ?? 24,
    maxStages: options.maxStages ?? 26,
    scale: { stepMs, steps: Math.ceil(total / slots.length) },
  }
  const topology = makeTopology(random.fork(), emptySources(slots), core, limits)
  const plan = { stepMs, startMs, groups: drawTexts(random), troubles: drawTroubles(random) }
  return {
    seed,
    sources: fillSources(random, slots, total, (topic) => ({
      ...plan,
      eventTime: eventTimeOf(topology, topic),
    })),
    topology,
    outOfOrdernessMs: random.pick([0, 0, stepMs, 3 * stepMs, 10 * stepMs]),
    lateTopic: 'late',
    deadLetterTopic: 'dead-letters',
  }
}

/** How many partitions there are, how full each is, and which are behind. */
function drawSlots(random: SeededRandom, spanMs: number): readonly Slot[] {
  const topics = random.shuffle(['alpha', 'beta', 'gamma']).slice(0, 1 + random.int(3))
  const together = random.pick([1, 2, 2, 3, 3, 4, 4])
  const slots = topics.flatMap((topic) => {
    const partitions = random.chance(0.8) ? together : 1 + random.int(4)
    return Array.from({ length: partitions }, (_, partition): Slot => {
      const weight = random.chance(0.12) ? 0 : 0.3 + random.fraction()
      const behindMs = random.chance(0.15) ? random.int(Math.ceil(spanMs / 4)) : random.int(20)
      return { topic, partition, partitions, weight, behindMs }
    })
  })
  const busiest = random.int(slots.length)
  return slots.map((slot, at) => (at === busiest ? { ...slot, weight: 1 } : slot))
}

function emptySources(slots: readonly Slot[]): readonly ScenarioSource[] {
  return bySource(slots, () => [])
}

/**
 * Topics in the order in which they were drawn, with the records that `recordsOf` gives to each partition.
 */
function bySource(
  slots: readonly Slot[],
  recordsOf: (slot: Slot) => readonly ScenarioRecord[],
): readonly ScenarioSource[] {
  const topics = [...new Set(slots.map((slot) => slot.topic))]
  return topics.map((topic) => ({
    topic,
    partitions: slots.filter((slot) => slot.topic === topic).map(recordsOf),
  }))
}

function fillSources(
  random: SeededRandom,
  slots: readonly Slot[],
  total: number,
  planOf: (topic: string) => RecordPlan,
): readonly ScenarioSource[] {
  const weights = slots.reduce((sum, slot) => sum + slot.weight, 0)
  return bySource(slots, (slot) => {
    // A partition without weight has next to nothing.
    const records = slot.weight === 0 ? random.int(4) : Math.ceil((total * slot.weight) / weights)
    const label = `${slot.topic[0]}${slot.partition}`
    return drawPartition(random.fork(), planOf(slot.topic), { ...slot, label, records })
  })
}

function eventTimeOf(topology: TopologySpec, topic: string): 'record' | 'value' {
  for (const stage of topology.stages) {
    if (stage.kind === 'source' && stage.topics.includes(topic)) return stage.eventTime
  }
  return 'record'
}

/** One phase over everything. */
export function wholeRun(scenario: Scenario, flush: boolean): readonly Phase[] {
  return [{ ends: endsAt(scenario, () => 1), flush }]
}

/**
 * Some phases that end anywhere, the last one at the end of everything. Ends are drawn as shares, so a
 * scenario that was shrunk is cut at about the same places.
 */
export function drawPhases(
  scenario: Scenario,
  random: SeededRandom,
  count = 1 + random.int(4),
): readonly Phase[] {
  const phases: Phase[] = []
  const shares = new Map<string, number>()
  for (let left = count; left > 0; left -= 1) {
    const ends = endsAt(scenario, (partition) => {
      const before = shares.get(partition) ?? 0
      const share = left === 1 ? 1 : before + (1 - before) * random.fraction() * (2 / left)
      shares.set(partition, Math.min(1, share))
      return Math.min(1, share)
    })
    phases.push({ ends, flush: random.chance(0.6) })
  }
  return phases
}

function endsAt(scenario: Scenario, shareOf: (partition: string) => number): Record<string, number> {
  const ends: Record<string, number> = {}
  for (const { topic, partitions } of scenario.sources) {
    for (const [partition, records] of partitions.entries()) {
      const name = `${topic}/${partition}`
      ends[name] = Math.floor(records.length * shareOf(name))
    }
  }
  return ends
}
