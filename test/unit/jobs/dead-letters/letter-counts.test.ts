import { describe, expect, it } from 'vitest'
import { LetterCounts } from '../../../../src/jobs/dead-letters/letter-counts.ts'
import { DEAD_LETTER } from '../../../../src/runtime/header-names.ts'
import { failureHeaders, letterFrom } from '../../../support/letters.ts'

const NOW_MS = 1_700_000_000_000
const failedAgo = (ms: number) =>
  letterFrom({ headers: failureHeaders({ [DEAD_LETTER.time]: String(NOW_MS - ms) }) })
const mark = { formatVersion: 1, topicId: '', handling: 'parked', run: '', by: '', atMs: 0 } as const

describe('the counts of dead letters', () => {
  it('tell open ones apart from handled ones, and count by what the open ones are', () => {
    const counts = new LetterCounts(NOW_MS, false)
    counts.add(letterFrom(), undefined)
    counts.add(letterFrom({}, 1), mark)
    counts.add(letterFrom({ headers: [] }, 1), undefined)
    expect([counts.total, counts.states]).toEqual([3, { open: 2, replayed: 0, parked: 1, discarded: 0 }])
    expect([...counts.byCode]).toEqual([
      ['BROKEN', 1],
      ['FOREIGN', 1],
    ])
    expect([...counts.byPartition]).toEqual([
      ['0', 1],
      ['1', 1],
    ])
    expect([...counts.byAge]).toEqual([
      ['under 1 hour', 1],
      ['unknown', 1],
    ])
  })

  it('count everything where that is asked for', () => {
    const counts = new LetterCounts(NOW_MS, true)
    counts.add(letterFrom(), mark)
    expect(counts.byStage.get('sums')).toBe(1)
  })

  it('have half-open ages, and a letter from the future is young', () => {
    const counts = new LetterCounts(NOW_MS, false)
    for (const ms of [-5, 0, 3_599_999, 3_600_000, 86_400_000, 604_799_999, 604_800_000])
      counts.add(failedAgo(ms), undefined)
    expect(Object.fromEntries(counts.byAge)).toEqual({
      'under 1 hour': 3,
      '1 hour to 1 day': 1,
      '1 to 7 days': 2,
      '7 days and more': 1,
    })
    expect([counts.oldestMs, counts.newestMs]).toEqual([NOW_MS - 604_800_000, NOW_MS + 5])
  })
})
