/**
 * A backfill as a durable object: what was planned, how far it is, what came of it. Kept as one JSON text under its id
 * (`backfill-store.ts`); nothing else remembers a backfill.
 *
 * Offsets are decimal texts, as JSON has no form of a bigint; times are epoch milliseconds of event time where they
 * belong to a range, of the wall clock where the name says `At`. Ranges are half-open.
 */
import { FatalError, messageOf } from '../../errors.ts'
import type { Decision } from '../../time/decisions.ts'
import { transition, type BackfillState } from './backfill-state.ts'
import { canonicalJson, hashOf } from './canonical-json.ts'

/** An offset, "next to read", as a decimal text. */
export type OffsetText = string

/** How records that came late are taken: judged as live judged them, or none of the range is late. */
export type LateMode = 'as-live' | 'include'

export interface BackfillRecord {
  readonly formatVersion: 1
  readonly id: string
  /** The application whose results are computed again. */
  readonly applicationId: string
  readonly state: BackfillState
  readonly createdAtMs: number
  readonly updatedAtMs: number
  readonly plan: BackfillPlan
  /** `hashOf(plan)`. */
  readonly planHash: string
  readonly run: RunProgress | null
  readonly reconciliation: ReconciliationSummary | null
  /** Promotions and rollbacks in the order in which they began. */
  readonly rounds: readonly PromotionRound[]
}

/** What a run does; fixed once it is planned. */
export interface BackfillPlan {
  /** Results with a timestamp in [fromMs, toMs) are computed; a window's result has the timestamp end - 1. */
  readonly range: { readonly fromMs: number; readonly toMs: number }
  readonly late: LateMode
  /** Only readings under these keys; `null`: all. */
  readonly keys: readonly string[] | null
  readonly sources: readonly SourceRange[]
  readonly outputs: readonly StagedTopic[]
  /** Settings that make the topology and its configuration, as plain JSON. */
  readonly settings: Readonly<Record<string, unknown>>
  /** Facts of the topology that is run, as `fingerprintOf` tells them. */
  readonly topology: Readonly<Record<string, string>>
  /** Name of the savepoint whose state it begins with. */
  readonly savepoint: string | null
  /** Event time of each task where it begins; tasks without one begin at minus infinity. */
  readonly seeds: Readonly<Record<string, SeedText>>
  /** Decisions of the live run to be followed, by task name: a `DecisionList` as `encodeEntry` writes it. */
  readonly decisions: Readonly<Record<string, string>>
  /** Records with event times in this range are worked; `null`: all. */
  readonly worked: { readonly fromMs: number; readonly toMs: number } | null
  readonly ratePerSecond: number | null
  /** Results with timestamps in these ranges agree with what live made (as live) or count every reading (include). */
  readonly trustworthy: readonly { readonly fromMs: number; readonly toMs: number }[]
  /** Whether the staged results can be compared with the published ones by key; else `notComparable` says why. */
  readonly comparable: boolean
  readonly notComparable: readonly string[]
  readonly warnings: readonly string[]
  readonly estimate: RunEstimate
}

/** What is read of one source partition: offsets in [fromOffset, toOffset). */
export interface SourceRange {
  readonly topic: string
  readonly partition: number
  readonly fromOffset: OffsetText
  readonly toOffset: OffsetText
}

/** A topic of the application and the one its backfill writes instead. */
export interface StagedTopic {
  readonly kind: 'results' | 'late' | 'dead-letters'
  readonly published: string
  readonly staged: string
  readonly partitions: number
}

/** A task's event time at its start: a `SeedState` (runtime) as `encodeEntry` writes it. */
export type SeedText = string

/** What live decided between the begin and the end of a backfill. */
export interface DecisionList {
  readonly formatVersion: 1
  readonly decisions: readonly Decision[]
}

/** How long the run may take. */
export interface RunEstimate {
  /** Offsets to be read; gaps count. */
  readonly records: number
  readonly recordsPerSecond: number
  readonly seconds: number
  /** Where the speed comes from. */
  readonly measured: 'calibration' | 'last-run' | 'rate-limit'
}

/** How far the run is; final once the state is `ran`. */
export interface RunProgress {
  readonly startedAtMs: number
  readonly finishedAtMs: number | null
  /** Times the run was begun or taken up again. */
  readonly attempts: number
  /** Time worked, over all attempts. */
  readonly elapsedMs: number
  /** Offsets of the sources passed so far, as committed; `estimate.records` at the end. */
  readonly position: number
  /** Input records consumed, as committed; those passed over included. */
  readonly consumed: number
  readonly passedOver: number
  readonly late: number
  readonly deadLetters: number
  readonly skipped: number
  /** Results withheld because they are outside of the range. */
  readonly withheld: number
  /** Event time reached: the lowest watermark; `null` before the first record. */
  readonly watermarkMs: number | null
  /** Running hashes over the staged results, a partition each. */
  readonly audit: readonly AuditHash[]
}

/** SHA-256 over the staged records of one partition below `offset`, in order. */
export interface AuditHash {
  readonly topic: string
  readonly partition: number
  readonly records: number
  readonly offset: OffsetText
  readonly sha256: string
}

/** What a comparison found. Details are in its report. */
export interface ReconciliationSummary {
  readonly atMs: number
  readonly match: number
  /** Differ by no more than the tolerances; a promotion leaves them. */
  readonly within: number
  readonly changed: number
  readonly missing: number
  readonly extra: number
  /** Invariants that do not hold, as sentences. */
  readonly violations: readonly string[]
  /** SHA-256 over both sides, as the comparison defines it. */
  readonly publishedSha256: string
  readonly stagedSha256: string
  /** Where the compared topics ended: a promotion refuses what was written behind these. */
  readonly ends: readonly TopicEnd[]
  /** Where the differences are kept. */
  readonly differences: readonly SourceRange[]
}

/** Where a partition ended at the comparison. */
export interface TopicEnd {
  readonly topic: string
  readonly partition: number
  readonly offset: OffsetText
}

/** A promotion or a rollback. */
export interface PromotionRound {
  /** From 1. */
  readonly number: number
  readonly kind: 'promote' | 'rollback'
  readonly startedAtMs: number
  readonly finishedAtMs: number | null
  /** Keys to be written in all. */
  readonly planned: number
  /** Keys written so far, as committed. */
  readonly written: number
  /** Keys that were already as they should be. */
  readonly done: number
  readonly tombstones: number
  /** Positions in the differences, as of the last command that ended; the group of the round is more recent. */
  readonly positions: readonly TopicEnd[]
}

/** A new record in the state `planned`. */
export function plannedBackfill(
  id: string,
  applicationId: string,
  plan: BackfillPlan,
  nowMs: number,
): BackfillRecord {
  return {
    formatVersion: 1,
    id,
    applicationId,
    state: 'planned',
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
    plan,
    planHash: hashOf(plan),
    run: null,
    reconciliation: null,
    rounds: [],
  }
}

/** What may change of a record; the plan never does. */
export type BackfillChange = Partial<Pick<BackfillRecord, 'run' | 'reconciliation' | 'rounds'>>

/** The record in its next state (a program error where the table does not allow it), with `change`. */
export function advance(
  record: BackfillRecord,
  state: BackfillState,
  nowMs: number,
  change: BackfillChange = {},
): BackfillRecord {
  return { ...record, ...change, state: transition(record.state, state), updatedAtMs: nowMs }
}

/** The record in the state it has, with `change`. */
export function update(record: BackfillRecord, nowMs: number, change: BackfillChange): BackfillRecord {
  return { ...record, ...change, updatedAtMs: nowMs }
}

/** How a record is kept. */
export function encodeBackfill(record: BackfillRecord): string {
  return canonicalJson(record)
}

/**
 * Reads what `encodeBackfill` wrote. `FatalError` `BACKFILL_UNREADABLE` for anything else, a newer format, or a plan
 * that is not the one that was hashed.
 */
export function decodeBackfill(text: string): BackfillRecord {
  let record: BackfillRecord
  try {
    record = JSON.parse(text) as BackfillRecord
  } catch (error) {
    throw unreadable(messageOf(error), error)
  }
  const version = (record as { formatVersion?: unknown } | null)?.formatVersion
  if (version !== 1)
    throw unreadable(`format version ${String(version)}, and this version of millrace reads 1`)
  if (hashOf(record.plan) !== record.planHash)
    throw unreadable(`the plan of ${record.id} is not the one that was hashed`)
  return record
}

function unreadable(why: string, cause?: unknown): FatalError {
  return new FatalError('BACKFILL_UNREADABLE', `the record of a backfill is not readable: ${why}`, { cause })
}
