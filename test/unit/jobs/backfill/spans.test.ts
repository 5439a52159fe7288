import { describe, expect, it } from 'vitest'
import { closingTimes, spansOf } from '../../../../src/jobs/backfill/spans.ts'
import { SENSOR_DEFAULTS, sensorTopology } from '../../../../src/sensors/sensor-topology.ts'
import { StreamsBuilder } from '../../../../src/topology/streams-builder.ts'
import { rigTopology } from '../../../support/backfill-rig.ts'

describe('the spans of a topology', () => {
  it('are window, grace and the life of event ids for the sensor application', () => {
    expect(spansOf(sensorTopology())).toEqual({
      windowsMs: 600_000,
      graceMs: 60_000,
      memoryMs: 660_000,
      windowed: true,
    })
    expect(spansOf(sensorTopology({ ...SENSOR_DEFAULTS, deduplicate: false })).memoryMs).toBe(0)
  })

  it('add up along a chain of windows', () => {
    const topology = rigTopology({ sizeMs: 60_000, graceMs: 20_000, outerMs: 240_000 })
    expect(spansOf(topology)).toMatchObject({ windowsMs: 300_000, graceMs: 20_000, memoryMs: 80_000 })
  })

  it('know no end for state without windows, and no completeness for what passes through', () => {
    const builder = new StreamsBuilder()
    const stream = builder.stream('in')
    stream.groupByKey().count({ name: 'ever' }).toStream().to('counts')
    stream.to('copy')
    expect(spansOf(builder.build())).toMatchObject({ windowsMs: 0, memoryMs: Infinity, windowed: false })
  })

  it('tell when the windows of a range have closed', () => {
    expect([...closingTimes(sensorTopology(), 1_000_000)]).toEqual([
      ['statistics', { ownMs: 1_060_000, inputMs: 1_060_000 }],
    ])
  })
})
