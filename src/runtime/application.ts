/** What all parts of a running application share: fixed once it has started. */
import type { Clock, Random } from '../clock.ts'
import type { Log } from '../log/log.ts'
import type { StateDirectory } from '../state/backend.ts'
import type { Decision } from '../time/decisions.ts'
import type { Fingerprint } from '../topology/fingerprint.ts'
import type { PartitionPlan } from '../topology/partition-plan.ts'
import type { Topology } from '../topology/topology.ts'
import type { StreamsConfig } from './config.ts'
import type { CommitEntry } from './commit-entry.ts'
import type { EventBus } from './events.ts'
import type { BoundedRun } from './bounded-run.ts'
import type { RateLimit } from './rate-limit.ts'
import type { TaskId } from './task-id.ts'

/** A half-open range of event time, epoch milliseconds. */
export interface TimeRange {
  readonly fromMs: number
  readonly toMs: number
}

export interface Application {
  readonly config: StreamsConfig
  /** Counts how often the application went back to a savepoint; see incarnations.ts. */
  readonly incarnation: number
  /** What the names of its internal topics begin with. */
  readonly topicPrefix: string
  readonly topology: Topology
  readonly plan: PartitionPlan
  readonly tasks: readonly TaskId[]
  readonly fingerprint: Fingerprint
  readonly log: Log
  readonly directory: StateDirectory
  readonly clock: Clock
  readonly random: Random
  readonly events: EventBus
  /** Partition counts of sinks, late and dead-letter topics. */
  readonly outputPartitions: ReadonlyMap<string, number>
  /** The bounded run to be finished; `undefined` when there is none. */
  readonly run: BoundedRun | undefined
  /** Whether the instance stops at the end of `run`. */
  readonly stopsAtEnd: boolean
  /** Whether `run` is one that an earlier instance left open, and this one has a run of its own to do behind it. */
  readonly hasRunToCome: boolean
  readonly isRunFinished: () => Promise<boolean>
  /** The same for instances that end together; `undefined`: this one is alone. */
  readonly processId: string | undefined
  readonly options: ApplicationOptions
}

/** What tests and replays set; an application in production has none of it. */
export interface ApplicationOptions {
  /** Decisions of an earlier run to be followed, by task name. */
  readonly decisions?: ReadonlyMap<string, readonly Decision[]>
  readonly isReplay?: boolean
  /** Where tasks that have never committed begin, by task name; see `seed.ts`. Others begin as `startFrom` says. */
  readonly seeds?: ReadonlyMap<string, CommitEntry>
  /**
   * Outputs with timestamps in [fromMs, toMs) are written: results, late records and dead letters; others are counted
   * as withheld. All where not given.
   */
  readonly outputRange?: TimeRange
  /** Outputs of records and windows under these keys are written; others are counted as withheld. */
  readonly outputKeys?: (key: unknown) => boolean
  /**
   * Which source records are worked; the others are counted as passed over, and move time all the same. The time is
   * `undefined` for a record that has none, because it cannot be read.
   */
  readonly accepts?: (key: unknown, timestampMs: number | undefined) => boolean
  /** How fast source records are worked. */
  readonly rateLimit?: RateLimit
  /** Makes values put into stores unchangeable. */
  readonly freezeValues?: boolean
  /** For tests and benchmarks only: see `ProducerOptions`. */
  readonly unsafeWithoutTransactions?: boolean
}
