/**
 * What a run has come by, to be added up over seeds: a simulation that never sees a difficulty proves
 * nothing.
 */
import type { OracleNode } from './oracle/graph.ts'
import { planOf, type Expected } from './oracle.ts'
import type { RunPlan } from './run-plan.ts'
import type { RunResult } from './run-scenario.ts'
import type { Scenario } from './scenario.ts'

/** Counts by name. Those of the topology are 1 or missing. */
export type Coverage = Record<string, number>

/** What is in the scenario's topology and log, and what happened in the run. */
export function coverageOf(scenario: Scenario, expected: Expected): Coverage {
  const coverage: Coverage = {}
  const add = (name: string, count: number): void => {
    if (count > 0) coverage[name] = (coverage[name] ?? 0) + count
  }
  for (const record of expected.records) {
    add(record.kind, 1)
    if (record.reason !== undefined) add(`late by ${record.reason}`, 1)
  }
  for (const totals of Object.values(expected.tasks)) {
    add('partly late', totals.partlyLate)
    add('skipped', totals.skipped)
    add('results', totals.results)
    for (const duplicates of Object.values(totals.counters)) add('duplicates', duplicates)
  }
  for (const channel of Object.values(expected.channels).flat()) add('held', channel.held)
  for (const feature of featuresOf(scenario)) add(feature, 1)
  return coverage
}

/** What came by because of how the scenario was run. */
export function runCoverageOf(
  scenario: Scenario,
  plan: RunPlan,
  { decisions, statistics }: Pick<RunResult, 'decisions' | 'statistics'>,
): Coverage {
  const coverage: Coverage = {}
  const kinds = [...decisions.values()].flat().map(({ decision }) => decision.kind)
  coverage['an idle partition'] = kinds.filter((kind) => kind === 'idle').length
  coverage['an idle partition that is back'] = kinds.filter((kind) => kind === 'resumed').length
  coverage['a flush and then more input'] = plan.phases.filter(({ kind, ends }, number) => {
    const next = plan.phases[number + 1]
    return kind === 'flush' && Object.keys(ends).some((name) => (next?.ends[name] ?? 0) > ends[name]!)
  }).length
  const isPiped = featuresOf(scenario).has('pipe(bufferCount(2))')
  coverage['pipe(bufferCount(2)) across a crash'] = isPiped ? statistics.kills : 0
  coverage['a group that expired'] = plan.forgetsGroup ? plan.phases.length - 1 : 0
  coverage['an instance that stands still while it starts'] = plan.startsSlowly ? plan.phases.length : 0
  return coverage
}

/** Records over all source topics. */
export function recordsOf({ sources }: Scenario): number {
  return sources.flatMap(({ partitions }) => partitions).reduce((sum, { length }) => sum + length, 0)
}

/** The difficulties that are in a scenario whatever happens. */
export function featuresOf(scenario: Scenario): ReadonlySet<string> {
  const features = new Set<string>()
  if (scenario.sources.length > 1) features.add('several source topics')
  const partitions = scenario.sources.flatMap((source) => source.partitions)
  if (partitions.some((records) => records.length === 0)) features.add('a partition without records')
  const { nodes, subTopologies } = planOf(scenario)
  for (const node of nodes) addFeatures(node, features)
  const { stages } = scenario.topology
  const stores = stages.flatMap((stage) => ('store' in stage ? [stage.store] : []))
  if (new Set(stores).size < stores.length) features.add('a shared store')
  if (stages.some((stage) => stage.kind.startsWith('pipe'))) features.add('pipe(bufferCount(2))')
  if (subTopologies.some((subTopology) => subTopology.ordered)) features.add('an ordered task')
  if (subTopologies.some((subTopology) => !subTopology.ordered)) features.add('an unordered task')
  return features
}

function addFeatures(node: OracleNode, features: Set<string>): void {
  const parent = node.parents[0]
  if (node.kind === 'windowed' || node.kind === 'aggregate') {
    const isLast = node.stage.aggregator.by === 'last'
    if (isLast && parent?.kind === 'repartition') features.add('a repartition before a last-wins reduce')
  }
  if (node.kind === 'windowed') {
    const { windows, emit } = node.stage
    if (windows.advanceMs < windows.sizeMs) features.add('hopping windows')
    if (emit === 'onWindowUpdate') features.add('windows that send updates')
    if (windowsAbove(node) > 0) features.add('two chained windows')
    if (windowsAbove(node) > 1) features.add('three chained windows')
  }
  if (node.kind === 'processor') {
    if (node.stage.ttlMs !== undefined) features.add('a store that expires')
    if (node.stage.kind === 'ranking') features.add('range reads')
  }
  if (node.kind === 'repartition' && repartitionAbove(node.parents)) features.add('two repartitions in a row')
  if (mayFail(node) && writesAbove(node)) features.add('a failure behind a store write')
}

/** Windows on the longest way down to a node. */
function windowsAbove(node: OracleNode): number {
  return Math.max(
    0,
    ...node.parents.map((parent) => windowsAbove(parent) + (parent.kind === 'windowed' ? 1 : 0)),
  )
}

function repartitionAbove(nodes: readonly OracleNode[]): boolean {
  return nodes.some((node) => node.kind === 'repartition' || repartitionAbove(node.parents))
}

function mayFail(node: OracleNode): boolean {
  if (node.kind === 'processor') return node.stage.kind === 'difference' && node.stage.failWhen !== undefined
  return node.kind === 'stateless' && node.throws
}

/** Whether a store is written in the same unit before the node, or by it. */
function writesAbove(node: OracleNode): boolean {
  if (node.kind === 'repartition') return false
  if (node.kind === 'processor' || node.kind === 'aggregate') return true
  return node.parents.some(writesAbove)
}
