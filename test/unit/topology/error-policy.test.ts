import { describe, expect, it } from 'vitest'
import { backoffMs } from '../../../src/topology/error-policy.ts'

describe('backoffMs', () => {
  it('doubles from the first wait to the longest', () => {
    const policy = { retries: 9, initialBackoffMs: 30, maxBackoffMs: 200 }
    expect([1, 2, 3, 4, 5].map((retry) => backoffMs(policy, retry))).toEqual([30, 60, 120, 200, 200])
  })

  it('begins with 100 ms and waits at most 10 s where nothing is said', () => {
    const waits = [1, 2, 7, 8, 60, 2_000].map((retry) => backoffMs({ retries: 1 }, retry))
    expect(waits).toEqual([100, 200, 6_400, 10_000, 10_000, 10_000])
  })
})
