import { differencesBetween, fingerprintOf, type Fingerprint } from '../../topology/fingerprint.ts'
import type { Topology } from '../../topology/topology.ts'

/** How the results of a topology stand to those of the one that runs live. */
export interface Comparison {
  /** Why results of both cannot be compared key by key: their windows differ. */
  readonly notComparable: readonly string[]
  /** What else differs, so that results may. */
  readonly warnings: readonly string[]
}

/** Compares by the fingerprints. Without one of live (it has never run) nothing is known to differ. */
export function compareWithLive(topology: Topology, live: Fingerprint | undefined): Comparison {
  if (live === undefined) return { notComparable: [], warnings: [] }
  // Partition counts are facts of the runtime, and checked elsewhere.
  const known = Object.fromEntries(
    Object.entries(live).filter(([fact]) => !fact.startsWith('partitions of ')),
  )
  const differences = differencesBetween(known, fingerprintOf(topology))
  const ofWindows = differences.filter((line) => /^window of .*, (size|advance) \(ms\):/.test(line))
  const others = differences.filter((line) => !ofWindows.includes(line))
  return {
    notComparable: ofWindows,
    warnings: others.map((line) => `other than live, ${line}: results may differ for that reason`),
  }
}

/** Whether both have the same windowed operators over the same windows, graces included. */
export function sameWindows(topology: Topology, live: Fingerprint | undefined): boolean {
  if (live === undefined) return false
  const own = fingerprintOf(topology)
  const facts = [...Object.keys(own), ...Object.keys(live)].filter((fact) => fact.startsWith('window of '))
  return facts.every((fact) => own[fact] === live[fact])
}
