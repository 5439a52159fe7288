import { describe, expect, it } from 'vitest'
import { fingerprintOf } from '../../../src/topology/fingerprint.ts'
import { renameOutputs } from '../../../src/topology/rename-outputs.ts'
import { outputTopicsOf, sourceTopicsOf } from '../../../src/topology/topology.ts'
import { sensorTopology } from '../../../src/sensors/sensor-topology.ts'

describe('a topology with other outputs', () => {
  const topology = sensorTopology()
  const renamed = renameOutputs(topology, (topic) => `${topic}.staging.b1`)

  it('writes to the other topics only, and reads what it read', () => {
    expect(outputTopicsOf(renamed)).toEqual(['aggregates.staging.b1', 'readings.late.staging.b1'])
    expect(sourceTopicsOf(renamed)).toEqual(['readings'])
  })

  it('has the same state, and leaves the first topology as it was', () => {
    expect(fingerprintOf(renamed)).toEqual(fingerprintOf(topology))
    expect(outputTopicsOf(topology)).toEqual(['aggregates', 'readings.late'])
  })
})
