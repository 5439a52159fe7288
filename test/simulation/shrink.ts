/** Simpler scenarios, to find the smallest that still fails. */
import { isClear } from './generate-topology.ts'
import type { Scenario, ScenarioSource } from './scenario.ts'
import { streamsOf, type StageSpec, type TopologySpec } from './topology-spec.ts'

/**
 * Variants that are a little simpler, the largest steps first: fewer stages, topics, partitions, records, no
 * out-of-orderness. Take the first that still fails, and shrink that again; when none fails any more, it is
 * smallest.
 */
export function* shrink(scenario: Scenario): Iterable<Scenario> {
  for (const topology of simplerTopologies(scenario.topology)) {
    const sources = sourcesRead(scenario.sources, topology)
    const limits = { maxChannels: Infinity, maxStages: Infinity }
    if (sources.length > 0 && isClear(topology, sources, limits)) yield { ...scenario, topology, sources }
  }
  for (const sources of fewerPartitions(scenario.sources)) {
    if (isClear(scenario.topology, sources, { maxChannels: Infinity, maxStages: Infinity })) {
      yield { ...scenario, sources }
    }
  }
  for (const sources of fewerRecords(scenario.sources)) yield { ...scenario, sources }
  if (scenario.outOfOrdernessMs > 0) yield { ...scenario, outOfOrdernessMs: 0 }
}

/**
 * Without a stage and all that only it feeds; then with a stage left out between its input and its readers.
 */
function* simplerTopologies({ stages }: TopologySpec): Iterable<TopologySpec> {
  for (const stage of [...stages].reverse()) {
    const without = withoutStage(stages, stage)
    if (without.some((other) => other.kind === 'sink')) yield { stages: without }
  }
  for (const stage of stages) {
    const input = stage.inputs[0]
    // Behind a check there are items, which all other stages take for granted.
    if (input === undefined || stage.kind === 'sink' || stage.kind === 'check') continue
    yield { stages: bypassing(stages, stage, input) }
  }
  for (const [at, stage] of stages.entries()) {
    if (stage.kind !== 'source' || stage.topics.length < 2) continue
    for (const topic of stage.topics) {
      const fewer: StageSpec = { ...stage, topics: stage.topics.filter((other) => other !== topic) }
      yield { stages: stages.with(at, fewer) }
    }
  }
}

function withoutStage(stages: readonly StageSpec[], gone: StageSpec): readonly StageSpec[] {
  const lost = new Set<string>(streamsOf(gone))
  const left: StageSpec[] = []
  for (const stage of stages) {
    if (stage === gone) continue
    const inputs = stage.inputs.filter((name) => !lost.has(name))
    if (stage.kind !== 'source' && inputs.length === 0) for (const name of streamsOf(stage)) lost.add(name)
    else left.push({ ...stage, inputs })
  }
  return withoutDeadEnds(left)
}

/** Leaves out what no sink hears of. */
function withoutDeadEnds(stages: readonly StageSpec[]): readonly StageSpec[] {
  const heard = new Set<string>()
  const kept = [...stages].reverse().filter((stage) => {
    if (stage.kind !== 'sink' && !streamsOf(stage).some((name) => heard.has(name))) return false
    for (const name of stage.inputs) heard.add(name)
    return true
  })
  return kept.reverse()
}

function bypassing(stages: readonly StageSpec[], gone: StageSpec, input: string): readonly StageSpec[] {
  const replaced = new Set(streamsOf(gone))
  return stages
    .filter((stage) => stage !== gone)
    .map((stage) => {
      const inputs = stage.inputs.map((name) => (replaced.has(name) ? input : name))
      return { ...stage, inputs: [...new Set(inputs)] }
    })
}

/** The topics that are still read. */
function sourcesRead(
  sources: readonly ScenarioSource[],
  { stages }: TopologySpec,
): readonly ScenarioSource[] {
  const read = stages.flatMap((stage) => (stage.kind === 'source' ? stage.topics : []))
  return sources.filter((source) => read.includes(source.topic))
}

/** All topics with one partition less. */
function* fewerPartitions(sources: readonly ScenarioSource[]): Iterable<readonly ScenarioSource[]> {
  const most = Math.max(...sources.map((source) => source.partitions.length))
  for (let partitions = 1; partitions < most; partitions += 1) {
    yield sources.map((source) => ({ ...source, partitions: source.partitions.slice(0, partitions) }))
  }
}

/** Without a stretch of a partition: a whole one, halves, quarters … single records. */
function* fewerRecords(sources: readonly ScenarioSource[]): Iterable<readonly ScenarioSource[]> {
  const longest = Math.max(...sources.flatMap((source) => source.partitions.map((records) => records.length)))
  for (let length = longest; length >= 1; length = Math.floor(length / 2)) {
    for (const [at, source] of sources.entries()) {
      for (const [partition, records] of source.partitions.entries()) {
        for (let start = 0; start < records.length; start += length) {
          const left = [...records.slice(0, start), ...records.slice(start + length)]
          yield sources.with(at, { ...source, partitions: source.partitions.with(partition, left) })
        }
      }
    }
  }
}
