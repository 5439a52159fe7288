/** What is told to the oracle of a run, and what it answers. */

/** A stretch of a run: what was in the sources when it began, and how it ended. */
export interface Phase {
  /** By `topic/partition`: how many records are there. What is not named stays as it was, at first none. */
  readonly ends: Readonly<Record<string, number>>
  /** A bounded run that closes everything at its ends. Without, things stay open. */
  readonly flush: boolean
}

/**
 * A recorded decision of a task. `positions`: by channel number, the next offset in the source, also behind
 * repartitions; of a results channel the number of the next result. `phase` (from 0) is the one it was made
 * in; where not given, it holds as early as its positions allow.
 */
export type RecordedDecision =
  | {
      readonly kind: 'idle'
      readonly channel: number
      readonly positions: readonly number[]
      readonly phase?: number
    }
  | {
      readonly kind: 'resumed'
      readonly channel: number
      readonly positions: readonly number[]
      readonly closedThroughMs: number
      readonly phase?: number
    }

/** How a scenario is run. */
export interface Run {
  readonly phases: readonly Phase[]
  /** By task name, in the order in which they were recorded. */
  readonly decisions: Readonly<Record<string, readonly RecordedDecision[]>>
}

/** A record that must be found in an output topic. */
export interface ExpectedRecord {
  readonly kind: 'output' | 'late' | 'dead-letter'
  readonly task: string
  readonly topic: string
  readonly partition: number
  readonly key: string | null
  /** The exact bytes, as text. */
  readonly value: string | null
  readonly timestampMs: number
  /** Records of one lane are in the log in the order given; lanes interleave in any way. */
  readonly lane: string
  /** The windowed operator of a late record; the stage whose failure made a dead letter. */
  readonly stage?: string
  /** Of late records. */
  readonly reason?: LateReason
  /** Of dead letters: the error's code where the oracle can know it. */
  readonly code?: string
}

/** Why a record is late: by its own watermark; closed by an idle decision; closed by a flush. */
export type LateReason = 'late' | 'idle' | 'flushed'

/** The totals of a task. */
export interface ExpectedTotals {
  /** Records taken from topics and repartitions. */
  consumed: number
  /** Also results of windows that failed behind their window. */
  deadLetters: number
  /** By policy. */
  skipped: number
  /** Records at a windowed operator that were late for all their windows. */
  late: number
  partlyLate: number
  /** Results of windows that closed and did not fail. */
  results: number
  /** By name. */
  counters: Record<string, number>
}

/** How far a channel got. */
export interface ExpectedChannel {
  readonly number: number
  readonly input: string
  readonly originTopic: string
  readonly originPartition: number
  readonly path: readonly string[]
  /** Records taken; of a source channel that is its position. */
  readonly consumed: number
  /** Records that have come and wait for the canonical order. */
  readonly held: number
  /** Null for minus infinity. */
  readonly watermarkMs: number | null
}

/** All that a run must have left behind. */
export interface Expected {
  readonly records: readonly ExpectedRecord[]
  readonly tasks: Readonly<Record<string, ExpectedTotals>>
  readonly channels: Readonly<Record<string, readonly ExpectedChannel[]>>
}
