/** Promotes a backfill, or rolls it back, by its record: what is allowed when, and what is noted. */
import type { Clock } from '../../clock.ts'
import { partitionKey, type Log, type LogProducer, type Offset } from '../../log/log.ts'
import { backfillApplicationId, roundGroup } from '../backfill/backfill-names.ts'
import {
  advance,
  type BackfillRecord,
  type PromotionRound,
  type ReconciliationSummary,
  type TopicEnd,
} from '../backfill/backfill-record.ts'
import type { BackfillState } from '../backfill/backfill-state.ts'
import {
  holdBackfill,
  readBackfill,
  type BackfillPlace,
  type HeldBackfill,
} from '../backfill/backfill-store.ts'
import {
  countDifferences,
  differenceBlocks,
  firstDifferences,
  type BlockLimits,
  type BlockRange,
} from './difference-blocks.ts'
import { openPublisher, publish, type PublicationOutcome } from './publication.ts'
import type { Direction } from './fence.ts'
import { refusePromotion, refuseRollback, type PromotionGate } from './refusals.ts'

/** What both directions take. */
export interface PublishOptions {
  readonly clock: Clock
  readonly signal?: AbortSignal | undefined
  readonly limits?: BlockLimits
  onProgress?(done: number, of: number): void
}

export interface PromoteOptions extends PublishOptions, PromotionGate {
  /** Only so many of the differences, the first ones, counted over all calls of a round. Default all. */
  readonly canary?: number | undefined
}

/** What a promotion or rollback has come to. */
export interface RoundOutcome extends PublicationOutcome {
  readonly record: BackfillRecord
  readonly round: PromotionRound
  /** Differences that are not done yet. */
  readonly left: number
}

/** What would be done. */
export interface RoundPlan {
  readonly record: BackfillRecord
  readonly direction: Direction
  /** The number it has, or will have. */
  readonly round: number
  /** Differences in all, and those not done yet. */
  readonly differences: number
  readonly left: number
}

/**
 * What a promotion would do; refuses as `promoteBackfill` does, but for keys that were written by others. Changes
 * nothing and takes nothing over.
 */
export async function planPromotion(
  place: BackfillPlace,
  id: string,
  gate: PromotionGate = {},
): Promise<RoundPlan> {
  const record = await readBackfill(place, id)
  refusePromotion(record, gate)
  return planOf(place.log, record, 'promote')
}

/** What a rollback would do; refuses as `rollbackBackfill` does, but for keys that were written by others. */
export async function planRollback(place: BackfillPlace, id: string): Promise<RoundPlan> {
  const record = await readBackfill(place, id)
  refuseRollback(record)
  return planOf(place.log, record, 'rollback')
}

/**
 * Publishes the differences that the last comparison found, and goes on where an earlier call stopped.
 *
 * `FatalError`, and nothing was written: `BACKFILL_UNKNOWN`; `BACKFILL_NOT_RECONCILED`; `BACKFILL_PROMOTED` already;
 * `BACKFILL_ROLLING_BACK`; `BACKFILL_CANCELLED`; `TOO_MANY_CHANGES`; `INVARIANTS_VIOLATED`; `KEYS_CHANGED`.
 * `FencedError` when another process has taken it over.
 */
export async function promoteBackfill(
  place: BackfillPlace,
  id: string,
  options: PromoteOptions,
): Promise<RoundOutcome> {
  refusePromotion(await readBackfill(place, id), options)
  const held = await holdBackfill(place, id)
  try {
    refusePromotion(held.record, options)
    return await new Round(place.log, held, 'promote', options).run()
  } finally {
    await held.close()
  }
}

/**
 * Restores what was published before the promotion, and goes on where an earlier call stopped.
 *
 * `FatalError`, and nothing was written: `BACKFILL_UNKNOWN`; `BACKFILL_NOT_PROMOTED`; `BACKFILL_ROLLED_BACK` already;
 * `KEYS_CHANGED`. `FencedError` when another process has taken it over.
 */
export async function rollbackBackfill(
  place: BackfillPlace,
  id: string,
  options: PublishOptions,
): Promise<RoundOutcome> {
  refuseRollback(await readBackfill(place, id))
  const held = await holdBackfill(place, id)
  try {
    refuseRollback(held.record)
    return await new Round(place.log, held, 'rollback', options).run()
  } finally {
    await held.close()
  }
}

const STATES: Readonly<Record<Direction, readonly [open: BackfillState, done: BackfillState]>> = {
  promote: ['promoting', 'promoted'],
  rollback: ['rolling-back', 'rolled-back'],
}

const COUNTING: BlockLimits = { differences: 10_000, bytes: 16 * 1024 * 1024 }

class Round {
  private readonly log: Log
  private readonly held: HeldBackfill
  private readonly direction: Direction
  private readonly options: PromoteOptions

  constructor(log: Log, held: HeldBackfill, direction: Direction, options: PromoteOptions) {
    this.log = log
    this.held = held
    this.direction = direction
    this.options = options
  }

  async run(): Promise<RoundOutcome> {
    const { record } = this.held
    const name = `${backfillApplicationId(record.applicationId, record.id)}.promote`
    const producer = await openPublisher(this.log, name)
    try {
      return await this.runWith(producer)
    } finally {
      await producer.close()
    }
  }

  /** Positions are read only now, when nobody else can move them. */
  private async runWith(producer: LogProducer): Promise<RoundOutcome> {
    const { log, direction, options } = this
    const { record } = this.held
    const { clock, signal, limits } = options
    const begun = openRound(record, direction)
    const number = begun?.number ?? record.rounds.length + 1
    const whole = await wholeRanges(log, record, direction)
    const left = await leftOf(log, record, whole, direction, number)
    const planned = await countDifferences(log, whole)
    const before = planned - (await countDifferences(log, left))
    const round: PromotionRound = begun ?? {
      number,
      kind: direction,
      startedAtMs: clock.now(),
      finishedAtMs: null,
      planned,
      written: 0,
      done: 0,
      tombstones: 0,
      positions: [],
    }
    const canary = options.canary === undefined ? undefined : Math.max(0, options.canary - before)
    const ranges = canary === undefined ? left : await firstDifferences(log, left, canary)
    const outcome = await publish(
      {
        log,
        clock,
        direction,
        publisher: { id: record.id, planHash: record.planHash, round: number },
        groupId: roundGroup(record, direction, number),
        ranges,
        comparedTo: comparedTo(record.reconciliation!),
        ...(limits === undefined ? {} : { limits }),
        signal,
        onProgress: (done) => options.onProgress?.(before + done, planned),
      },
      producer,
      () => this.save(round, STATES[direction][0]),
    )
    return this.finish(round, whole, outcome)
  }

  private async finish(
    begun: PromotionRound,
    whole: readonly BlockRange[],
    outcome: PublicationOutcome,
  ): Promise<RoundOutcome> {
    const { log, direction, options } = this
    const now = await leftOf(log, this.held.record, whole, direction, begun.number)
    const left = await countDifferences(log, now)
    const round: PromotionRound = {
      ...begun,
      finishedAtMs: left === 0 ? options.clock.now() : null,
      // What a killed call wrote counts too.
      written: begun.planned - left - begun.done - outcome.done,
      done: begun.done + outcome.done,
      tombstones: await countTombstones(log, upTo(whole, now), direction),
      positions: now.map(({ topic, partition, from }) => ({ topic, partition, offset: String(from) })),
    }
    await this.save(round, STATES[direction][left === 0 ? 1 : 0])
    return { ...outcome, record: this.held.record, round, left }
  }

  private async save(round: PromotionRound, state: BackfillState): Promise<void> {
    const { record } = this.held
    const rounds = [...record.rounds.filter(({ number }) => number !== round.number), round]
    await this.held.save(advance(record, state, this.options.clock.now(), { rounds }))
  }
}

async function planOf(log: Log, record: BackfillRecord, direction: Direction): Promise<RoundPlan> {
  const round = openRound(record, direction)?.number ?? record.rounds.length + 1
  const whole = await wholeRanges(log, record, direction)
  const left = await leftOf(log, record, whole, direction, round)
  return {
    record,
    direction,
    round,
    differences: await countDifferences(log, whole),
    left: await countDifferences(log, left),
  }
}

/** The round that an earlier call began and did not end. */
function openRound({ rounds, state }: BackfillRecord, direction: Direction): PromotionRound | undefined {
  return state === STATES[direction][0] ? rounds.at(-1) : undefined
}

/** Everything that a round has to do: for a rollback, what was promoted. */
async function wholeRanges(
  log: Log,
  record: BackfillRecord,
  direction: Direction,
): Promise<readonly BlockRange[]> {
  const kept = record.reconciliation!.differences.map(({ topic, partition, fromOffset, toOffset }) => {
    return { topic, partition, from: BigInt(fromOffset), to: BigInt(toOffset) }
  })
  if (direction === 'promote') return kept
  const promoted = record.rounds.findLast(({ kind }) => kind === 'promote')!
  if (promoted.finishedAtMs !== null) return kept
  const { number, positions } = promoted
  const committed = await log.committedOffsets(roundGroup(record, 'promote', number), kept)
  // Where nothing tells how far it came, every key is looked at: what was not promoted is as it should be.
  return kept.map((range, index) => {
    return { ...range, to: clamp(committed[index] ?? offsetIn(positions, range) ?? range.to, range) }
  })
}

function upTo(ranges: readonly BlockRange[], left: readonly BlockRange[]): readonly BlockRange[] {
  return ranges.map((range, index) => ({ ...range, to: left[index]!.from }))
}

async function countTombstones(
  log: Log,
  ranges: readonly BlockRange[],
  direction: Direction,
): Promise<number> {
  let count = 0
  for await (const { differences } of differenceBlocks(log, ranges, COUNTING)) {
    for (const { published, staged } of differences) {
      if ((direction === 'promote' ? staged : published) === undefined) count++
    }
  }
  return count
}

/** What is left of the ranges, by the positions of the round's group, or by those noted where it has none. */
async function leftOf(
  log: Log,
  record: BackfillRecord,
  ranges: readonly BlockRange[],
  direction: Direction,
  number: number,
): Promise<readonly BlockRange[]> {
  const noted = record.rounds.find((round) => round.number === number)?.positions ?? []
  const committed = await log.committedOffsets(roundGroup(record, direction, number), ranges)
  return ranges.map((range, index) => {
    const position = committed[index] ?? offsetIn(noted, range) ?? range.from
    return { ...range, from: clamp(position, range) }
  })
}

function offsetIn(ends: readonly TopicEnd[], { topic, partition }: BlockRange): Offset | undefined {
  const found = ends.find((end) => end.topic === topic && end.partition === partition)
  return found === undefined ? undefined : BigInt(found.offset)
}

function clamp(position: Offset, { from, to }: BlockRange): Offset {
  if (position < from) return from
  return position > to ? to : position
}

function comparedTo({ ends }: ReconciliationSummary): ReadonlyMap<string, Offset> {
  return new Map(ends.map((end) => [partitionKey(end), BigInt(end.offset)]))
}
