import { describe, expect, it } from 'vitest'
import { judge } from '../../../src/time/lateness.ts'

const CLOSES_AT_MS = 1_000

describe('judge', () => {
  it('takes a record until the watermark reaches the closing time, to the millisecond', () => {
    expect(judge(CLOSES_AT_MS, 999, -Infinity)).toBe('on-time')
    expect(judge(CLOSES_AT_MS, 1_000, -Infinity)).toBe('late')
    expect(judge(CLOSES_AT_MS, 1_001, -Infinity)).toBe('late')
  })

  it('finds a window closed by a decision where its own partition had not moved past it', () => {
    expect(judge(CLOSES_AT_MS, 0, 999)).toBe('on-time')
    expect(judge(CLOSES_AT_MS, 0, 1_000)).toBe('closed')
    expect(judge(CLOSES_AT_MS, 999, 5_000)).toBe('closed')
  })

  it('lets the own watermark decide first: late stays late, whatever else was decided', () => {
    expect(judge(CLOSES_AT_MS, 1_000, 1_000)).toBe('late')
    expect(judge(CLOSES_AT_MS, 2_000, Infinity)).toBe('late')
  })

  it('takes everything in the beginning', () => {
    expect(judge(0, -Infinity, -Infinity)).toBe('on-time')
  })
})
