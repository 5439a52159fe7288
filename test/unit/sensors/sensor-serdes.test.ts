import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { Serdes } from '../../../src/index.ts'
import { readingSerde, type Reading } from '../../../src/sensors/reading.ts'
import {
  JSON_SENSOR_SERDES,
  openAvroReadingSerde,
  openAvroSensorSerdes,
  type SensorSerdes,
} from '../../../src/sensors/sensor-serdes.ts'
import { sensorTopology, SENSOR_DEFAULTS } from '../../../src/sensors/sensor-topology.ts'
import { TopologyTestDriver } from '../../../src/testing/index.ts'
import { FakeRegistry } from '../../support/fake-registry.ts'

const MINUTE = 60_000
const schemaOf = (topic: string): string =>
  readFileSync(new URL(`../../../schemas/${topic}-value.avsc`, import.meta.url), 'utf8')

const open = (registry: FakeRegistry): Promise<SensorSerdes> =>
  openAvroSensorSerdes(registry, {
    readings: { topic: 'readings', schema: schemaOf('readings') },
    late: { topic: 'readings.late', schema: schemaOf('readings.late') },
    aggregates: { topic: 'aggregates', schema: schemaOf('aggregates') },
  })

const reading = (id: string, minute: number, more: Partial<Reading> = {}): Reading => ({
  eventId: id,
  sensorId: 's1',
  timestamp: minute * MINUTE,
  temperature: 50 + minute / 10,
  ...more,
})

const READINGS: readonly Reading[] = [
  reading('a', 1),
  reading('b', 2, { status: 'ok' }),
  reading('b', 2, { status: 'ok' }),
  reading('c', 3, { synthetic: true }),
  reading('d', 30),
  reading('e', 4),
  reading('f', 60, { temperature: -500 }),
  reading('g', 60),
]

async function drive(serdes: SensorSerdes) {
  const driver = await TopologyTestDriver.create(sensorTopology(SENSOR_DEFAULTS, serdes), {
    config: { deadLetterTopic: 'readings.dlq', commitIntervalMs: 1 },
  })
  const key = Serdes.string()
  const bytes = driver.createInputTopic('readings', { key, value: Serdes.bytes() })
  return {
    driver,
    /** Writes with any serde: what the application makes of it is its own business. */
    pipe: (written: readonly Reading[], serde: SensorSerdes['reading'] = serdes.reading) =>
      bytes.pipe(
        written.map((value) => ({
          key: value.sensorId,
          value: Buffer.from(serde.serialize(value)),
          timestampMs: value.timestamp,
        })),
      ),
    aggregates: driver.createOutputTopic('aggregates', { key, value: serdes.aggregate }),
    late: driver.createOutputTopic('readings.late', { key, value: serdes.late }),
    dead: driver.createOutputTopic('readings.dlq', { key, value: Serdes.bytes() }),
  }
}

const codesOf = (records: readonly { readonly headers: Readonly<Record<string, unknown>> }[]) =>
  records.map(({ headers }) => String(headers['__millrace.errors.code']))

/** A schema that is written by somebody else: registered, but under another subject. */
function foreignReadings(registry: FakeRegistry) {
  return openAvroReadingSerde(registry, { topic: 'elsewhere', schema: changedSchema() })
}

/** An older form of the schema: other order, no status, and a field that is gone. */
function changedSchema(): string {
  const schema = JSON.parse(schemaOf('readings')) as { fields: { name: string }[] }
  const fields = schema.fields.filter(({ name }) => name !== 'status').reverse()
  const battery = { name: 'battery', type: 'int', default: 3 }
  return JSON.stringify({ ...schema, fields: [battery, ...fields] })
}

describe('readings and aggregates as Avro', () => {
  it('give the same results as JSON', async () => {
    const results: unknown[] = []
    for (const serdes of [JSON_SENSOR_SERDES, await open(new FakeRegistry())]) {
      const { driver, pipe, aggregates, late, dead } = await drive(serdes)
      // What cannot be a reading cannot be made by the serde of one: the temperature is checked when it is read.
      await pipe(READINGS)
      await driver.flush()
      const values = async (topic: typeof late | typeof aggregates): Promise<unknown[]> =>
        (await topic.readRecords()).map(({ key, value, timestampMs }) => ({
          key,
          value: { ...value },
          timestampMs,
        }))
      const [deviant, lateOnes, letters] = [
        await values(aggregates),
        await values(late),
        codesOf(await dead.readRecords()),
      ]
      results.push({ deviant, lateOnes, letters })
      await driver.close()
    }
    expect(results[1]).toEqual(results[0])
    expect(results[0]).toMatchObject({
      lateOnes: [{ value: reading('e', 4) }],
      letters: ['TEMPERATURE_IMPOSSIBLE'],
    })
    expect((results[0] as { deviant: unknown[] }).deviant).toHaveLength(3)
  })

  it('leave out what is null or false, as the JSON does', async () => {
    const { reading: serde } = await open(new FakeRegistry())
    for (const value of [reading('a', 1), reading('b', 2, { status: 'ok', synthetic: true })]) {
      const bytes = Buffer.from(serde.serialize(value))
      const read = serde.deserialize(bytes, 0, bytes.length)
      expect(readingSerde.serialize(read)).toBe(readingSerde.serialize(value))
    }
  })

  it('register under the topics with compatibility BACKWARD', async () => {
    const registry = new FakeRegistry()
    await open(registry)
    expect(Object.fromEntries(registry.compatibilities)).toEqual({
      'readings-value': 'BACKWARD',
      'readings.late-value': 'BACKWARD',
      'aggregates-value': 'BACKWARD',
    })
  })
})

describe('readings that others wrote', () => {
  it('are read by their own schema, fetched before they are worked', async () => {
    const registry = new FakeRegistry()
    const { driver, pipe, aggregates, dead } = await drive(await open(registry))
    await pipe([reading('a', 1)], await foreignReadings(registry))
    await pipe([reading('b', 2)])
    await driver.flush()
    expect(await aggregates.readRecords()).toMatchObject([{ value: { count: 2 } }])
    expect(await dead.readRecords()).toEqual([])
    expect(registry.asked).toHaveLength(1)
    await driver.close()
  })

  it('are dead letters when the registry does not know their schema, and the rest goes on', async () => {
    const registry = new FakeRegistry()
    const serdes = await open(registry)
    const { driver, pipe, aggregates, dead } = await drive(serdes)
    const unknown: SensorSerdes['reading'] = {
      ...serdes.reading,
      serialize(value) {
        const bytes = Buffer.from(serdes.reading.serialize(value))
        bytes.writeUInt32BE(4711, 1)
        return bytes
      },
    }
    await pipe([reading('a', 1)], unknown)
    await pipe([reading('b', 2)], readingSerde)
    await pipe([reading('c', 3)])
    await driver.flush()
    expect(codesOf(await dead.readRecords())).toEqual(['SCHEMA_UNKNOWN', 'RECORD_UNREADABLE'])
    expect(await aggregates.readRecords()).toMatchObject([{ value: { count: 1 } }])
    await driver.close()
  })

  it('wait while the registry is down, over a restart too, and are no dead letters', async () => {
    const registry = new FakeRegistry()
    const { driver, pipe, aggregates, dead } = await drive(await open(registry))
    const foreign = await foreignReadings(registry)
    registry.down = true
    await expect(pipe([reading('a', 1)], foreign)).rejects.toThrow(/come to rest/)
    expect(driver.counts()).not.toMatchObject({ consumed: 1 })
    const retries = driver.events.filter((event) => event.type === 'recovering')
    expect(retries.length).toBeGreaterThan(3)
    expect(new Set(retries.map(({ code }) => code))).toEqual(new Set(['REGISTRY_UNREACHABLE']))
    await expect(driver.restart()).rejects.toThrow(/come to rest/)
    registry.down = false
    await driver.advanceWallClock(10_000)
    await driver.flush()
    expect(await aggregates.readRecords()).toMatchObject([{ value: { count: 1 } }])
    expect(await dead.readRecords()).toEqual([])
    await driver.close()
  })
})
