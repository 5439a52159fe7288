/** Scenarios small enough to be worked by hand, and answers short enough to be written by hand. */
import { expectedOutputs, type Expected, type RecordedDecision, type Run } from './oracle.ts'
import type { Scenario, ScenarioRecord } from './scenario.ts'
import type { StageSpec, WindowedStage } from './topology-spec.ts'

/** A record of the key at a time; its id is `<key><time>` unless given. */
export function at(
  timestampMs: number,
  key: string | null = 'k',
  item: { readonly id?: string; readonly n?: number; readonly g?: string } = {},
): ScenarioRecord {
  const { id = `${key}${timestampMs}`, n = 1, g = 'g' } = item
  return { key, value: JSON.stringify({ id, n, g }), timestampMs }
}

/** A source stage and the check behind it; the stream is named like the topic. */
export function from(...topics: readonly string[]): readonly StageSpec[] {
  const name = topics[0]!
  return [
    { kind: 'source', name: `${name}-source`, inputs: [], topics, eventTime: 'record' },
    { kind: 'check', name, inputs: [`${name}-source`] },
  ]
}

/** A list of the ids in each window, by the group `g` behind a repartition or by key. */
export function windowed(
  name: string,
  input: string,
  sizeMs: number,
  details: Partial<Omit<WindowedStage, 'windows'>> & { graceMs?: number; advanceMs?: number } = {},
): WindowedStage {
  const { graceMs = 0, advanceMs = sizeMs, ...others } = details
  return {
    kind: 'windowed',
    name,
    inputs: [input],
    windows: { sizeMs, advanceMs, graceMs },
    emit: 'onWindowClose',
    aggregator: { by: 'list', size: 99 },
    ...others,
  }
}

/** A sink of the stream to the topic `out`. */
export function into(input: string, topic = 'out'): StageSpec {
  return { kind: 'sink', name: `${topic}-sink`, inputs: [input], topic }
}

/** A scenario of topics by name, each a list of partitions. */
export function small(
  topics: Readonly<Record<string, readonly (readonly ScenarioRecord[])[]>>,
  stages: readonly StageSpec[],
  outOfOrdernessMs = 0,
): Scenario {
  return {
    seed: 0,
    sources: Object.entries(topics).map(([topic, partitions]) => ({ topic, partitions })),
    topology: { stages },
    outOfOrdernessMs,
    lateTopic: 'late',
    deadLetterTopic: 'dead',
  }
}

/** Runs everything in one phase that is not flushed. */
export function runOpen(
  scenario: Scenario,
  decisions: Readonly<Record<string, readonly RecordedDecision[]>> = {},
): Expected {
  return expectedOutputs(scenario, { phases: [{ ends: endsOf(scenario), flush: false }], decisions })
}

/** Runs everything in one phase that is flushed. */
export function runFlushed(scenario: Scenario): Expected {
  return expectedOutputs(scenario, { phases: [{ ends: endsOf(scenario), flush: true }], decisions: {} })
}

/** Runs phases given as counts by partition of the only topic, `!` for a flush behind each. */
export function runPhases(scenario: Scenario, ...phases: readonly (readonly (number | '!')[])[]): Expected {
  const { topic } = scenario.sources[0]!
  const run: Run = {
    phases: phases.map((phase) => {
      const counts = phase.filter((count) => count !== '!')
      const ends = counts.map((count, partition) => [`${topic}/${partition}`, count] as const)
      return { ends: Object.fromEntries(ends), flush: phase.includes('!') }
    }),
    decisions: {},
  }
  return expectedOutputs(scenario, run)
}

function endsOf(scenario: Scenario): Record<string, number> {
  const ends = scenario.sources.flatMap(({ topic, partitions }) =>
    partitions.map((records, partition) => [`${topic}/${partition}`, records.length] as const),
  )
  return Object.fromEntries(ends)
}

/** Outputs as `key: text @time`; the text is an aggregate's list, else the id (else the bytes). */
export function outputs(expected: Expected, topic = 'out'): readonly string[] {
  const records = expected.records.filter((record) => record.topic === topic)
  return records.map(({ key, value, timestampMs, reason, code }) => {
    const marks = [reason, code].filter((mark) => mark !== undefined).map((mark) => ` ${mark}`)
    return `${key}: ${textOf(value)} @${timestampMs}${marks.join('')}`
  })
}

function textOf(value: string | null): string {
  if (value === null) return 'null'
  try {
    const { list, id } = JSON.parse(value) as { list?: string; id?: string }
    return list ?? id ?? value
  } catch {
    return value
  }
}
