/**
 * A scenario: records in source topics and a topology that reads them, all of it plain data drawn from a
 * seed.
 *
 * What lives in `test/simulation/` for this: the description of topologies (`topology-spec.ts`), the
 * generator (`generate-*.ts`), the translation to the DSL (`topology-of.ts`), printing and shrinking, and the
 * oracle (`oracle.ts`), which knows what must come out without a line of `src/runtime`, `src/time` or
 * `src/state`.
 */
import type { TopologySpec } from './topology-spec.ts'

export { makeScenario, type ScenarioOptions } from './generate-scenario.ts'
export { describeScenario } from './describe-scenario.ts'
export { shrink } from './shrink.ts'

/** A record as it is written to a source topic; key and value as text (their UTF-8 bytes), null for none. */
export interface ScenarioRecord {
  readonly key: string | null
  readonly value: string | null
  /** The record's own timestamp; not always a valid event time. */
  readonly timestampMs: number
}

/** A source topic with its records by partition; a record's index is its offset. */
export interface ScenarioSource {
  readonly topic: string
  readonly partitions: readonly (readonly ScenarioRecord[])[]
}

/** Everything that decides what comes out, apart from how it is run. */
export interface Scenario {
  readonly seed: number
  readonly sources: readonly ScenarioSource[]
  readonly topology: TopologySpec
  readonly outOfOrdernessMs: number
  /** The application's topics for what is late and for dead letters. */
  readonly lateTopic: string
  readonly deadLetterTopic: string
}
