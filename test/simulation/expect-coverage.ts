import { expect } from 'vitest'
import type { SeedsSummary } from './seeds.ts'

/** What every block of seeds has to come by. */
const MET = [
  'late by late',
  'late by flushed',
  'late by idle',
  'partly late',
  'duplicates',
  'skipped',
  'dead-letter',
  'held',
  'several source topics',
  'a partition without records',
  'an idle partition',
  'an idle partition that is back',
  'a flush and then more input',
  'a group that expired',
  'an instance that stands still while it starts',
  'a repartition before a last-wins reduce',
  'two repartitions in a row',
  'hopping windows',
  'windows that send updates',
  'two chained windows',
  'three chained windows',
  'a store that expires',
  'range reads',
  'a shared store',
  'a failure behind a store write',
  'pipe(bufferCount(2)) across a crash',
  'an ordered task',
  'an unordered task',
] as const

/** A simulation that never met a difficulty has shown nothing about it. */
export function expectCoverage(summary: SeedsSummary): void {
  const { coverage, statistics, fewestRecords, fewestCommits, undisturbed } = summary
  expect(MET.filter((name) => !((coverage[name] ?? 0) > 0))).toEqual([])
  for (const name of ['kills', 'pauses', 'rebalances', 'recoveries', 'lostCalls', 'replayed', 'standbys']) {
    expect(statistics[name], name).toBeGreaterThan(0)
  }
  expect(fewestRecords).toBeGreaterThanOrEqual(2_000)
  expect(fewestCommits).toBeGreaterThanOrEqual(30)
  expect(undisturbed).toBe(0)
}
