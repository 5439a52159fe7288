/** Compares what a run has left with what the oracle says. */
import type { CommitEntry } from '../../src/runtime/commit-entry.ts'
import type { Decision } from '../../src/time/decisions.ts'
import { planOf, type Expected, type ExpectedRecord, type RecordedDecision, type Run } from './oracle.ts'
import type { OutputRecord, SourceOffsets } from './outputs.ts'
import type { RunPlan } from './run-plan.ts'
import type { RunResult } from './run-scenario.ts'
import type { Scenario } from './scenario.ts'

/** The run in the oracle's words. */
export function runForOracle(
  scenario: Scenario,
  plan: RunPlan,
  result: Pick<RunResult, 'decisions' | 'sourceOffsets'>,
): Run {
  const decisions: Record<string, RecordedDecision[]> = {}
  for (const [task, list] of result.decisions) {
    const translate = positionsOf(scenario, task, result.sourceOffsets)
    decisions[task] = list.flatMap(({ decision, phase }): RecordedDecision[] => {
      const positions = translate(decision.positions)
      if (decision.kind === 'idle') return [{ kind: 'idle', channel: decision.channel, positions, phase }]
      if (decision.kind !== 'resumed') return []
      const { channel, closedThroughMs } = decision
      return [{ kind: 'resumed', channel, positions, closedThroughMs, phase }]
    })
  }
  return { phases: plan.phases.map(({ ends, kind }) => ({ ends, flush: kind === 'flush' })), decisions }
}

/** Real offsets as the numbers of the records that the oracle counts. */
function positionsOf(
  scenario: Scenario,
  task: string,
  offsets: SourceOffsets,
): (positions: Decision['positions']) => readonly number[] {
  const [id, partition] = task.split('_').map(Number) as [number, number]
  const plan = planOf(scenario)
  const subTopology = plan.order.find((part) => part.id === id)!
  const channels = plan.channelsOf(subTopology, partition)
  return (positions) =>
    positions.map((position, channel) => {
      const { origin } = channels[channel]!
      const list = offsets.get(`${origin.topic}/${origin.partition}`)
      // The position of a results channel is the number of the next result already.
      return list === undefined ? Number(position) : list.filter((offset) => offset < position).length
    })
}

/** Every difference, as a person wants to read it; empty when there is none. */
export function differences(
  expected: Expected,
  result: Pick<RunResult, 'outputs' | 'latest'>,
): readonly string[] {
  return [...differentOutputs(expected.records, result.outputs), ...differentTotals(expected, result.latest)]
}

function differentOutputs(expected: readonly ExpectedRecord[], actual: readonly OutputRecord[]): string[] {
  const problems: string[] = []
  const places = new Set([...expected, ...actual].map(({ topic, partition }) => `${topic}/${partition}`))
  for (const place of [...places].sort()) {
    const isHere = ({ topic, partition }: { topic: string; partition: number }): boolean =>
      `${topic}/${partition}` === place
    const problem = differentPlace(expected.filter(isHere), actual.filter(isHere))
    if (problem !== undefined) problems.push(`${place}: ${problem}`)
  }
  return problems
}

/** Whether the records are an interleaving of the lanes. */
function differentPlace(
  expected: readonly ExpectedRecord[],
  actual: readonly OutputRecord[],
): string | undefined {
  const lanes = new Map<string, ExpectedRecord[]>()
  for (const record of expected) {
    const lane = lanes.get(record.lane)
    if (lane === undefined) lanes.set(record.lane, [record])
    else lane.push(record)
  }
  const names = [...lanes.keys()]
  const positions = names.map(() => 0)
  for (const [index, record] of actual.entries()) {
    const lane = names.findIndex((name, number) => {
      const next = lanes.get(name)![positions[number]!]
      return next !== undefined && matches(next, record)
    })
    if (lane < 0) {
      const heads = names.flatMap((name, number) => {
        const next = lanes.get(name)![positions[number]!]
        return next === undefined ? [] : [`${name}: ${show(next)}`]
      })
      const expected = `expected one of\n      ${heads.join('\n      ')}`
      return `record ${index} of ${actual.length} is ${show(record)}\n    ${expected}`
    }
    positions[lane]!++
  }
  const missing = names.flatMap((name, number) => lanes.get(name)!.slice(positions[number]))
  return missing.length === 0
    ? undefined
    : `${missing.length} records are missing, the first is ${show(missing[0]!)}`
}

function matches(expected: ExpectedRecord, actual: OutputRecord): boolean {
  return (
    expected.key === actual.key &&
    expected.value === actual.value &&
    expected.timestampMs === actual.timestampMs &&
    expected.reason === actual.reason &&
    (expected.stage === undefined || expected.stage === actual.stage) &&
    (expected.code === undefined || expected.code === actual.code)
  )
}

function show(record: ExpectedRecord | OutputRecord): string {
  const { key, value, timestampMs } = record
  const tags = [record.reason, record.stage, record.code].filter((tag) => tag !== undefined)
  return `${key} = ${value} @${timestampMs}${tags.length > 0 ? ` (${tags.join(', ')})` : ''}`
}

const ENGINE_COUNTS = ['consumed', 'deadLetters', 'skipped', 'late', 'partlyLate', 'results'] as const

function differentTotals(expected: Expected, latest: ReadonlyMap<string, CommitEntry>): string[] {
  const problems: string[] = []
  for (const [task, totals] of Object.entries(expected.tasks)) {
    const counts = latest.get(task)?.counts ?? {}
    for (const name of ENGINE_COUNTS) {
      if ((counts[name] ?? 0) !== totals[name]) {
        problems.push(`task ${task}: ${name} is ${counts[name] ?? 0}, expected ${totals[name]}`)
      }
    }
    for (const [name, count] of Object.entries(totals.counters)) {
      if ((counts[name] ?? 0) !== count)
        problems.push(`task ${task}: counter ${name} is ${counts[name] ?? 0}, expected ${count}`)
    }
  }
  return problems
}
