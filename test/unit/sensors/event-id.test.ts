import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { deriveEventId } from '../../../src/sensors/event-id.ts'

describe('deriveEventId', () => {
  it('is a fixed function of sensor, time and temperature', () => {
    const content = '["machine",1386018900000,73.96732207]'
    const digest = createHash('sha256').update(content, 'utf8').digest('hex')
    expect(deriveEventId('machine', 1_386_018_900_000, 73.96732207)).toBe(`auto-${digest.slice(0, 32)}`)
    expect(deriveEventId('a', 0, 0)).toBe(deriveEventId('a', 0, -0))
    expect(deriveEventId('a', 1, 2)).toMatch(/^auto-[0-9a-f]{32}$/)
  })

  it('keeps the parts apart', () => {
    const ids = [
      deriveEventId('a', 1, 23),
      deriveEventId('a', 12, 3),
      deriveEventId('a1', 2, 3),
      deriveEventId('a",1', 2, 3),
      deriveEventId('a', 1, 2.3),
      deriveEventId('é', 1, 2.3),
    ]
    expect(new Set(ids).size).toBe(ids.length)
  })
})
