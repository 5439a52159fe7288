import { describe, expect, it } from 'vitest'
import {
  canonicalFilter,
  isMeant,
  type LetterFilter,
} from '../../../../src/jobs/dead-letters/letter-filter.ts'
import { DEAD_LETTER } from '../../../../src/runtime/header-names.ts'
import { failureHeaders, header, letterFrom } from '../../../support/letters.ts'

const letter = letterFrom({
  timestampMs: 50,
  headers: [header('unit', 'K'), header('unit', 'C'), ...failureHeaders()],
})
const fits = (filter: LetterFilter): boolean => isMeant(filter, letter)

describe('a filter', () => {
  it('without anything means every letter, foreign ones too', () => {
    expect([fits({}), isMeant({}, letterFrom({ headers: [] }))]).toEqual([true, true])
  })

  it.each<[string, LetterFilter, LetterFilter]>([
    ['codes', { codes: ['X', 'BROKEN'] }, { codes: ['X'] }],
    ['stages', { stages: ['sums'] }, { stages: ['sum'] }],
    ['keys', { keys: ['k'] }, { keys: ['K'] }],
    ['source topics', { sources: ['readings'] }, { sources: [] }],
    ['a partition', { partition: 0 }, { partition: 1 }],
    ['positions', { positions: ['0@5'] }, { positions: ['0@6', '1@5'] }],
    [
      'a header, any of that name',
      { header: { name: 'unit', value: 'C' } },
      { header: { name: 'unit', value: '' } },
    ],
    ['event time, from on', { eventFromMs: 50 }, { eventFromMs: 51 }],
    ['event time, up to but not including', { eventToMs: 51 }, { eventToMs: 50 }],
    ['time of failure, from on', { failedFromMs: 1_700_000_000_000 }, { failedFromMs: 1_700_000_000_001 }],
    ['time of failure, up to', { failedToMs: 1_700_000_000_001 }, { failedToMs: 1_700_000_000_000 }],
  ])('takes %s', (_what, taken, passedOver) => {
    expect([fits(taken), fits(passedOver)]).toEqual([true, false])
  })

  it('takes what fits all of it', () => {
    expect(fits({ codes: ['BROKEN'], partition: 0, eventToMs: 60 })).toBe(true)
    expect(fits({ codes: ['BROKEN'], partition: 1, eventToMs: 60 })).toBe(false)
  })

  it('passes over a letter without what it asks for', () => {
    const silent = letterFrom({
      key: null,
      headers: failureHeaders().filter(({ key }) => key !== DEAD_LETTER.time),
    })
    expect(isMeant({ failedFromMs: 0 }, silent)).toBe(false)
    expect(isMeant({ failedToMs: 9e15 }, silent)).toBe(false)
    expect(isMeant({ keys: ['', 'null'] }, silent)).toBe(false)
  })

  it('has one text for the same meaning, and another for another', () => {
    const one = canonicalFilter({ codes: ['A', 'B'], partition: 1, stages: undefined })
    expect(canonicalFilter({ partition: 1, codes: ['B', 'A'] })).toBe(one)
    expect(canonicalFilter({ partition: 1, codes: ['B'] })).not.toBe(one)
    expect(canonicalFilter({ partition: 1, stages: ['A', 'B'] })).not.toBe(one)
  })
})
