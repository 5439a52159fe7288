import { describe, expect, it } from 'vitest'
import { cutAsLive, type CutSpec } from '../../../../src/jobs/backfill/as-live-cut.ts'
import type { CommitEntry } from '../../../../src/runtime/commit-entry.ts'

/** A commit at offset `at` of one input, with one watermark per channel. */
function commit(at: number, watermarksMs: readonly number[], more: Partial<CommitEntry> = {}): CommitEntry {
  return {
    formatVersion: 1,
    commitId: at,
    offsets: { in: String(at) },
    channels: watermarksMs.map((watermarkMs, number) => ({
      channel: `in/${number}`,
      watermarkMs,
      position: at,
      takenThrough: 0,
      withinSource: false,
      endedRun: 0,
      endedWithFlush: false,
      idle: false,
    })),
    closedThroughMs: Math.min(...watermarksMs),
    operators: {},
    changelogs: {},
    counts: {},
    finishedRun: 0,
    replayedDecisions: 0,
    decisions: [],
    ...more,
  }
}

/** A commit every 10 records, whose time is ten times the offset. */
const ENTRIES = Array.from({ length: 101 }, (_, index) => commit(index * 10, [index * 100]))

function cut(change: Partial<CutSpec> = {}): ReturnType<typeof cutAsLive> {
  return cutAsLive({
    entries: ENTRIES,
    fromMs: 5_000,
    closing: new Map([['w', { ownMs: 7_050, inputMs: 7_050 }]]),
    spans: { windowsMs: 1_000, graceMs: 50, memoryMs: 0, windowed: true },
    outOfOrdernessMs: 0,
    starts: { in: 0n },
    historyIsWhole: true,
    seedable: true,
    sameWindows: true,
    ...change,
  })
}

const spans = { windowsMs: 1_000, graceMs: 50, memoryMs: 1_500, windowed: true }

describe('the cut of a replay as live', () => {
  it('begins at the last commit before the first window of the range, and ends when the last one has closed', () => {
    const { begin, end, trustedFromMs, complete } = cut()
    expect([begin?.commitId, end.commitId]).toEqual([400, 710])
    expect([trustedFromMs, complete]).toEqual([-Infinity, true])
  })

  it('begins so much earlier that everything remembered there was forgotten by then', () => {
    // The range's first window begins after 4,000; what is remembered at 2,500 is forgotten at 4,000.
    expect(cut({ spans }).begin?.commitId).toBe(250)
    // A channel that lags behind remembers longer.
    const lagging = ENTRIES.map(({ commitId }) => commit(commitId, [commitId * 10, commitId * 10 - 1_000]))
    expect(cut({ spans, entries: lagging }).begin?.commitId).toBe(150)
  })

  it('counts the out-of-orderness: records may be later than the watermark by it', () => {
    expect(cut({ outOfOrdernessMs: 300 }).begin?.commitId).toBe(370)
    expect(cut({ outOfOrdernessMs: 300, spans }).begin?.commitId).toBe(190)
  })

  it('begins at the start of the log where no commit lies far enough back, or none may be begun at', () => {
    expect(cut({ fromMs: 900 })).toMatchObject({ begin: undefined, trustedFromMs: -Infinity })
    expect(cut({ seedable: false })).toMatchObject({ begin: undefined, trustedFromMs: -Infinity })
  })

  it('trusts less where the beginning is gone: what is whole from the first commit that is left', () => {
    const { begin, trustedFromMs } = cut({ spans, starts: { in: 300n } })
    expect(begin?.commitId).toBe(300)
    // What was remembered at 3,000 is forgotten at 4,500; windows that begin behind that are whole.
    expect(trustedFromMs).toBe(5_500)
    expect(cut({ starts: { in: 5_000n } }).trustedFromMs).toBe(Infinity)
    expect(cut({ seedable: false, starts: { in: 1n } }).trustedFromMs).toBe(Infinity)
    expect(cut({ seedable: false, historyIsWhole: false }).trustedFromMs).toBe(Infinity)
  })

  it('ends at the newest commit, and says so, where live has not closed the range', () => {
    const { end, complete } = cut({ closing: new Map([['w', { ownMs: 20_000, inputMs: 20_000 }]]) })
    expect([end.commitId, complete]).toEqual([1_000, false])
    expect(cut({ closing: new Map() })).toMatchObject({ complete: false })
  })

  it('knows windows as closed that a decision has closed, if they are the same windows', () => {
    const flushed = { closedThroughMs: 7_050, flushedThroughMs: 7_050, results: 0, openWindows: 0 }
    const entries = ENTRIES.map((entry) =>
      entry.commitId === 600 ? commit(600, [6_000], { operators: { w: flushed } }) : entry,
    )
    expect(cut({ entries }).end.commitId).toBe(600)
    expect(cut({ entries, sameWindows: false }).end.commitId).toBe(710)
  })

  it('follows the decisions behind its begin, up to its end', () => {
    const decided = (commitId: number): CommitEntry =>
      commit(commitId, [commitId * 10], {
        decisions: [{ kind: 'idle', channel: 0, positions: [BigInt(commitId)] }],
      })
    const entries = ENTRIES.map((entry) =>
      [390, 400, 410, 710, 720].includes(entry.commitId) ? decided(entry.commitId) : entry,
    )
    const { decisions } = cut({ entries })
    expect(decisions.map(({ positions }) => positions[0])).toEqual([410n, 710n])
    expect(cut({ entries, seedable: false }).decisions).toHaveLength(4)
  })
})
