import { describe, expect, it } from 'vitest'
import { FlowRecord } from '../../../src/topology/stream-record.ts'

describe('FlowRecord', () => {
  it('holds what it was made of', () => {
    const headers = [{ key: 'h', value: null }]
    const record = new FlowRecord('k', 5, 77, headers)
    expect({ ...record }).toEqual({ key: 'k', value: 5, timestampMs: 77, headers })
    expect(record.headers).toBe(headers)
  })
})
