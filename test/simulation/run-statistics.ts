/** What happened in a run, counted. */
import type { StreamsEvent } from '../../src/runtime/events.ts'
import type { SimulatedCluster } from './cluster.ts'

export interface RunStatistics extends Record<string, number> {
  commits: number
  kills: number
  pauses: number
  rebalances: number
  recoveries: number
  /** Changelog records that restores applied. */
  replayed: number
  /** States that could not be used. */
  wiped: number
  /** Standby copies that were begun. */
  standbys: number
  /** Standby copies that were begun again after a failure. */
  standbyFailures: number
  lostCalls: number
}

export function newStatistics(): RunStatistics {
  return {
    commits: 0,
    kills: 0,
    pauses: 0,
    rebalances: 0,
    recoveries: 0,
    replayed: 0,
    wiped: 0,
    standbys: 0,
    standbyFailures: 0,
    lostCalls: 0,
  }
}

/** What the instances told, and what the network lost. */
export function countEvents(statistics: RunStatistics, cluster: SimulatedCluster): void {
  for (const { events } of cluster.instances) for (const event of events) countEvent(statistics, event)
  statistics.lostCalls += cluster.lostCalls
}

/** Disturbances of every kind. */
export function faultsIn({ kills, pauses, recoveries, lostCalls }: RunStatistics): number {
  return kills + pauses + recoveries + lostCalls
}

function countEvent(statistics: RunStatistics, event: StreamsEvent): void {
  if (event.type === 'committed') statistics.commits++
  if (event.type === 'tasks-assigned') statistics.rebalances++
  if (event.type === 'recovering') statistics.recoveries++
  if (event.type === 'task-started') {
    statistics.replayed += event.replayed
    if (event.wipedBecause !== undefined) statistics.wiped++
  }
  if (event.type === 'standby-started') {
    statistics.standbys++
    if (event.wipedBecause !== undefined) statistics.wiped++
  }
  if (event.type === 'standby-failed') statistics.standbyFailures++
}
