import { describe, expect, it } from 'vitest'
import { SeededRandom } from '../../src/testing/seeded-random.ts'
import { coverageOf, type Coverage } from './coverage.ts'
import { drawPhases, wholeRun } from './generate-scenario.ts'
import { coreNames } from './generate-topology.ts'
import { expectedOutputs, planOf, type Expected } from './oracle.ts'
import { describeScenario, makeScenario, shrink, type Scenario } from './scenario.ts'
import { topologyOf } from './topology-of.ts'

const SEEDS = Array.from({ length: 120 }, (_, seed) => seed)
const SMALL = { records: 300 }

/** Each lane's records, as they must follow each other. */
function lanesOf(expected: Expected): Record<string, readonly unknown[]> {
  const lanes: Record<string, unknown[]> = {}
  for (const record of expected.records) (lanes[record.lane] ??= []).push(record)
  return lanes
}

function recordsOf(scenario: Scenario): number {
  return scenario.sources.flatMap((source) => source.partitions).flat().length
}

describe('makeScenario', () => {
  it('draws the same from the same seed, and has 2,000 records or more', () => {
    expect(makeScenario(7)).toEqual(makeScenario(7))
    expect(makeScenario(7)).not.toEqual(makeScenario(8))
    for (const seed of [1, 2, 3]) expect(recordsOf(makeScenario(seed))).toBeGreaterThanOrEqual(2_000)
    expect(recordsOf(makeScenario(1, SMALL))).toBeLessThan(350)
  })

  it('survives a trip through JSON, as plain data does', () => {
    for (const seed of SEEDS) {
      const scenario = makeScenario(seed, SMALL)
      expect(JSON.parse(JSON.stringify(scenario))).toEqual(scenario)
    }
  })

  it('draws topologies that the DSL builds, split into tasks as the oracle splits them', () => {
    for (const seed of SEEDS) {
      const scenario = makeScenario(seed, SMALL)
      const built = topologyOf(scenario.topology).subTopologies
      const planned = planOf(scenario).subTopologies
      const shape = (part: { id: number; ordered: boolean; nodes: readonly unknown[] }): unknown => [
        part.id,
        part.ordered,
        part.nodes.length,
      ]
      expect(planned.map(shape)).toEqual(built.map(shape))
    }
  })

  it('comes by every difficulty within a few dozen seeds', () => {
    const coverage: Coverage = {}
    for (const seed of SEEDS) {
      const scenario = makeScenario(seed, SMALL)
      const phases = drawPhases(scenario, new SeededRandom(seed))
      const expected = expectedOutputs(scenario, { phases, decisions: {} })
      for (const [name, count] of Object.entries(coverageOf(scenario, expected))) {
        coverage[name] = (coverage[name] ?? 0) + count
      }
    }
    const wanted = [
      ...['output', 'late', 'dead-letter', 'late by late', 'late by flushed', 'partly late', 'skipped'],
      ...['results', 'duplicates', 'held', 'several source topics', 'a partition without records'],
      ...['a repartition before a last-wins reduce', 'hopping windows', 'windows that send updates'],
      ...['two chained windows', 'three chained windows', 'two repartitions in a row', 'range reads'],
      ...['a store that expires', 'a shared store', 'a failure behind a store write', 'pipe(bufferCount(2))'],
      ...['an ordered task', 'an unordered task'],
    ]
    expect(wanted.filter((name) => !coverage[name])).toEqual([])
    // Nothing is late for idleness where nothing was recorded as idle.
    expect(coverage['late by idle']).toBeUndefined()
    expect(coreNames.length).toBeLessThan(SEEDS.length)
  })
})

describe('what is expected', () => {
  it('does not depend on where open runs end', () => {
    for (const seed of SEEDS) {
      const scenario = makeScenario(seed, SMALL)
      const open = drawPhases(scenario, new SeededRandom(seed), 5)
      const phases = open.map((phase, at) => ({ ...phase, flush: at === open.length - 1 }))
      const inParts = expectedOutputs(scenario, { phases, decisions: {} })
      const whole = expectedOutputs(scenario, { phases: wholeRun(scenario, true), decisions: {} })
      expect(lanesOf(inParts), `seed ${seed}`).toEqual(lanesOf(whole))
      expect(inParts.tasks).toEqual(whole.tasks)
    }
  })

  it('accounts for every record of a task', () => {
    for (const seed of SEEDS) {
      const scenario = makeScenario(seed, SMALL)
      const { tasks, channels } = expectedOutputs(scenario, {
        phases: wholeRun(scenario, true),
        decisions: {},
      })
      for (const [task, totals] of Object.entries(tasks)) {
        const consumed = channels[task]!.reduce((sum, channel) => sum + channel.consumed, 0)
        expect(totals.consumed).toBe(consumed)
        expect(channels[task]!.every(({ held }) => held === 0)).toBe(true)
      }
    }
  })
})

describe('a failing scenario', () => {
  it('can be read', () => {
    const scenario = makeScenario(3, SMALL)
    const text = describeScenario(scenario, { records: 1 })
    for (const { name } of scenario.topology.stages) expect(text).toContain(`  ${name}: `)
    for (const { topic, partitions } of scenario.sources) {
      expect(text).toContain(`${topic}/0: ${partitions[0]!.length} records`)
    }
  })

  it('shrinks to what makes it fail', () => {
    // Fails as long as a window is there and a record with an 83 reaches it.
    const fails = (scenario: Scenario): boolean => {
      const windows = scenario.topology.stages.some((stage) => stage.kind === 'windowed')
      const text = JSON.stringify(scenario.sources)
      return windows && text.includes('\\"n\\":83')
    }
    let smallest = makeScenario(1, SMALL)
    expect(fails(smallest)).toBe(true)
    for (;;) {
      const simpler = [...firstOf(shrink(smallest), fails)]
      if (simpler.length === 0) break
      smallest = simpler[0]!
      topologyOf(smallest.topology)
    }
    expect(recordsOf(smallest)).toBe(1)
    const kinds = smallest.topology.stages.map((stage) => stage.kind).sort()
    expect(kinds).toEqual(['check', 'sink', 'source', 'windowed'])
  })
})

function* firstOf(variants: Iterable<Scenario>, fails: (scenario: Scenario) => boolean): Iterable<Scenario> {
  for (const variant of variants) {
    if (!fails(variant)) continue
    yield variant
    return
  }
}
