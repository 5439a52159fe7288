import { describe, expect, it } from 'vitest'
import { contentFingerprint } from '../../../src/sensors/content-fingerprint.ts'
import type { Reading } from '../../../src/sensors/reading.ts'

const reading: Reading = {
  eventId: 'e1',
  sensorId: 's1',
  timestamp: 1_700_000_000_000,
  temperature: 52.37,
  status: 'normal',
}

describe('contentFingerprint', () => {
  it('does not look at the event id, and takes a missing mark for measured', () => {
    expect(contentFingerprint({ ...reading, eventId: 'other' })).toBe(contentFingerprint(reading))
    expect(contentFingerprint({ ...reading, synthetic: false })).toBe(contentFingerprint(reading))
    expect(contentFingerprint({ ...reading, temperature: -0 })).toBe(
      contentFingerprint({ ...reading, temperature: 0 }),
    )
  })

  it.each([
    ['sensorId', 's2'],
    ['timestamp', 5],
    ['timestamp', 1_700_000_000_001],
    ['temperature', 52.38],
    ['temperature', -52.37],
    ['status', 'deviated'],
    ['status', ''],
    ['synthetic', true],
  ])('sees another %s: %s', (field, value) => {
    expect(contentFingerprint({ ...reading, [field]: value })).not.toBe(contentFingerprint(reading))
  })

  it('sees a status that is not there, and where a text ends', () => {
    const { status: _status, ...without } = reading
    expect(contentFingerprint(without)).not.toBe(contentFingerprint(reading))
    expect(contentFingerprint({ ...reading, sensorId: 's1n', status: 'ormal' })).not.toBe(
      contentFingerprint(reading),
    )
  })

  it('is a safe integer, and different for 200,000 readings that differ in little', () => {
    const seen = new Set<number>()
    for (let sensor = 0; sensor < 20; sensor++) {
      for (let slot = 0; slot < 10_000; slot++) {
        const temperature = 50 + (slot % 100) / 100
        const timestamp = 1_700_000_000_000 + slot * 1_000
        const fingerprint = contentFingerprint({
          eventId: '',
          sensorId: `s${sensor}`,
          timestamp,
          temperature,
        })
        expect(Number.isSafeInteger(fingerprint)).toBe(true)
        seen.add(fingerprint)
      }
    }
    expect(seen.size).toBe(200_000)
    // All bits are used alike: none of the 53 is set much more or less often than in half of them.
    for (let bit = 0; bit < 53; bit++) {
      let set = 0
      for (const fingerprint of seen) set += Math.floor(fingerprint / 2 ** bit) % 2
      expect(Math.abs(set - 100_000), `bit ${bit}`).toBeLessThan(2_000)
    }
  })

  it('is part of the format of the state: it stays what it was', () => {
    expect(contentFingerprint(reading)).toBe(3_115_946_426_941_083)
  })
})
