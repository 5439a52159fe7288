/**
 * Where a replay of one task begins that takes every reading of its range, however late. It reads from the first
 * offset behind which a reading of the range may be to the end of the log, so it needs no state of live, only to know
 * which records are older than the range. Pure.
 */
import type { CommitEntry } from '../../runtime/commit-entry.ts'

export interface IncludeSpec {
  /** Records before this time are of no importance to the range. */
  readonly neededFromMs: number
  /** Start of each input in the log, by topic. */
  readonly starts: Readonly<Record<string, bigint>>
  /** The first offset with such a timestamp, by topic, where timestamps are event times; else `undefined`. */
  readonly byTimestamp: Readonly<Record<string, bigint>> | undefined
  /** Commits of the live task over the same inputs, oldest first. */
  readonly entries: readonly CommitEntry[]
  readonly outOfOrdernessMs: number
}

export interface IncludeStart {
  /** By topic. */
  readonly offsets: Readonly<Record<string, bigint>>
  /** No record before the offsets is later than this: results that look back no further are whole. */
  readonly unseenThroughMs: number
}

/** The latest start that misses nothing; where records are gone, what may have been among them. */
export function startIncluding(spec: IncludeSpec): IncludeStart {
  const { starts, entries, byTimestamp, neededFromMs } = spec
  const before = entries.findLast((entry) => highestMs(spec, entry) < neededFromMs)
  const offsets: Record<string, bigint> = {}
  let missed = false
  for (const [topic, start] of Object.entries(starts)) {
    const byTime = byTimestamp?.[topic] ?? 0n
    const byCommit = BigInt(before?.offsets[topic] ?? 0)
    const needed = byTime > byCommit ? byTime : byCommit
    offsets[topic] = needed > start ? needed : start
    // A time that is found at the very start says nothing of what was there before it.
    const known = byCommit >= start || byTime > start
    if (start > 0n && !known) missed = true
  }
  if (!missed) return { offsets, unseenThroughMs: -Infinity }
  const earliest = entries.find(({ offsets: at }) =>
    Object.entries(starts).every(([topic, start]) => BigInt(at[topic] ?? 0) >= start),
  )
  return { offsets, unseenThroughMs: earliest === undefined ? Infinity : highestMs(spec, earliest) }
}

function highestMs({ outOfOrdernessMs }: IncludeSpec, { channels }: CommitEntry): number {
  return Math.max(...channels.map(({ watermarkMs }) => watermarkMs)) + outOfOrdernessMs
}
