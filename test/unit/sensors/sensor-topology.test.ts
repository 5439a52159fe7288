import { describe, expect, it } from 'vitest'
import { sensorTopology, SENSOR_DEFAULTS } from '../../../src/sensors/sensor-topology.ts'
import { readingSerde, type Reading } from '../../../src/sensors/reading.ts'
import { aggregateSerde } from '../../../src/sensors/aggregate.ts'
import { Serdes } from '../../../src/index.ts'
import { TopologyTestDriver } from '../../../src/testing/index.ts'

const MINUTE = 60_000

function reading(id: string, sensor: string, minute: number, temperature: number): Reading {
  return { eventId: id, sensorId: sensor, timestamp: minute * MINUTE, temperature }
}

async function drive(options: Partial<typeof SENSOR_DEFAULTS> = {}, partitions = 2) {
  const driver = await TopologyTestDriver.create(sensorTopology({ ...SENSOR_DEFAULTS, ...options }), {
    partitions,
    config: { deadLetterTopic: 'readings.dlq' },
  })
  const input = driver.createInputTopic('readings', { key: Serdes.string(), value: readingSerde })
  return {
    driver,
    pipe: (...readings: Reading[]) =>
      input.pipe(readings.map((value) => ({ key: value.sensorId, value, timestampMs: value.timestamp }))),
    input,
    aggregates: driver.createOutputTopic('aggregates', { key: Serdes.string(), value: aggregateSerde }),
    late: driver.createOutputTopic('readings.late', { key: Serdes.string(), value: readingSerde }),
    dead: driver.createOutputTopic('readings.dlq', { key: Serdes.string(), value: Serdes.bytes() }),
  }
}

describe('the sensor topology', () => {
  it('sends the statistics of a window when time has passed its grace', async () => {
    const { driver, pipe, aggregates } = await drive({ graceMs: MINUTE }, 1)
    await pipe(reading('a', 's1', 1, 50.1), reading('b', 's1', 5, 56), reading('c', 's1', 9, 50.2))
    await pipe(reading('d', 's1', 10.5, 51))
    expect(await aggregates.readRecords()).toEqual([])
    await pipe(reading('e', 's1', 11, 52))
    const records = await aggregates.readRecords()
    expect(records).toMatchObject([
      {
        key: 's1@0',
        timestampMs: 10 * MINUTE - 1,
        value: {
          sensorId: 's1',
          windowStart: 0,
          windowEnd: 600_000,
          count: 3,
          sum: 156.3,
          min: 50.1,
          max: 56,
          deviated: 1,
        },
      },
    ])
    await driver.close()
  })

  it('drops duplicates, keeps conflicts as dead letters, sends late readings to the late topic', async () => {
    const { driver, pipe, aggregates, late, dead } = await drive({ graceMs: 0 }, 1)
    await pipe(reading('a', 's1', 1, 50), reading('a', 's1', 1, 50), reading('a', 's1', 1, 51))
    await pipe(reading('b', 's1', 12, 50), reading('c', 's1', 3, 53))
    await driver.flush()
    expect((await aggregates.readRecords()).map(({ key, value }) => [key, value?.count])).toEqual([
      ['s1@0', 1],
      ['s1@600000', 1],
    ])
    expect(await late.readRecords()).toMatchObject([
      {
        value: { eventId: 'c' },
        headers: { '__millrace.late.reason': 'late', '__millrace.late.watermark': '720000' },
      },
    ])
    expect(await dead.readRecords()).toMatchObject([
      {
        key: 's1',
        headers: { '__millrace.errors.code': 'EVENT_ID_CONFLICT', '__millrace.errors.stage': 'deduplicate' },
      },
    ])
    expect(driver.counts()).toMatchObject({ consumed: 5, duplicates: 1, deadLetters: 1, late: 1, results: 2 })
    await driver.close()
  })

  it('forgets nothing in a crash and repeats nothing', async () => {
    const { driver, pipe, aggregates } = await drive({ graceMs: 0 }, 2)
    await pipe(reading('a', 's1', 1, 50), reading('b', 's2', 1, 50), reading('c', 's3', 1, 52))
    await driver.restart('crash')
    await pipe(reading('a', 's1', 1, 50), reading('d', 's1', 2, 52))
    await driver.restart('crash')
    await driver.flush()
    const records = await aggregates.readRecords()
    expect(records.map(({ key, value }) => [key, value?.count]).sort()).toEqual([
      ['s1@0', 2],
      ['s2@0', 1],
      ['s3@0', 1],
    ])
    await driver.close()
  })

  it('repartitions by sensor id where the topic is keyed otherwise', async () => {
    const { driver, input, aggregates } = await drive({ graceMs: 0, rekey: true }, 2)
    const readings = ['a', 'b', 'c', 'd'].map((id, index) => reading(id, `s${index % 2}`, index, 50))
    await input.pipe(readings.map((value) => ({ key: value.eventId, value, timestampMs: value.timestamp })))
    await driver.flush()
    expect((await aggregates.readRecords()).map(({ key, value }) => [key, value?.count]).sort()).toEqual([
      ['s0@0', 2],
      ['s1@0', 2],
    ])
    await driver.close()
  })
})
