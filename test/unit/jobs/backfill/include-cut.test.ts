import { describe, expect, it } from 'vitest'
import { startIncluding, type IncludeSpec } from '../../../../src/jobs/backfill/include-cut.ts'
import type { CommitEntry } from '../../../../src/runtime/commit-entry.ts'

const ENTRIES = [100, 200, 300].map(
  (at) => ({ offsets: { in: String(at) }, channels: [{ watermarkMs: at * 10 }] }) as unknown as CommitEntry,
)

function start(change: Partial<IncludeSpec>): ReturnType<typeof startIncluding> {
  return startIncluding({
    neededFromMs: 2_500,
    starts: { in: 0n },
    byTimestamp: undefined,
    entries: ENTRIES,
    outOfOrdernessMs: 0,
    ...change,
  })
}

describe('the start of a replay that includes late records', () => {
  it('is the last commit before which nothing of the range can be', () => {
    expect(start({})).toEqual({ offsets: { in: 200n }, unseenThroughMs: -Infinity })
    expect(start({ outOfOrdernessMs: 600 }).offsets).toEqual({ in: 100n })
  })

  it('is found by timestamps where these are event times, if that is later', () => {
    expect(start({ byTimestamp: { in: 240n } }).offsets).toEqual({ in: 240n })
    expect(start({ byTimestamp: { in: 140n } }).offsets).toEqual({ in: 200n })
  })

  it('is the start of the log where nothing is known', () => {
    expect(start({ entries: [] })).toEqual({ offsets: { in: 0n }, unseenThroughMs: -Infinity })
  })

  it('says what may have been among the records that are gone', () => {
    expect(start({ starts: { in: 250n } })).toEqual({ offsets: { in: 250n }, unseenThroughMs: 3_000 })
    expect(start({ starts: { in: 350n } }).unseenThroughMs).toBe(Infinity)
    // Found at the very start, a time says nothing of what was there before.
    expect(start({ starts: { in: 250n }, byTimestamp: { in: 250n } }).unseenThroughMs).toBe(3_000)
    expect(start({ starts: { in: 250n }, byTimestamp: { in: 251n } }).unseenThroughMs).toBe(-Infinity)
  })
})
