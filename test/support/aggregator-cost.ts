/**
 * What a reading costs the aggregator on the embedded log, as a multiple of what it costs a plain loop over the same
 * bytes: parse, look up, count. Both run in turn in this process, so that the machine and what else it does cancel out.
 *
 * CPU time, not elapsed time: of elapsed time others take what they want. A pipeline that only waits longer is not
 * seen.
 */
import path from 'node:path'
import {
  LevelStateDirectory,
  openEmbeddedLog,
  RecordBatchBuilder,
  StreamsApp,
  type Log,
} from '../../src/index.ts'
import { JSON_SENSOR_SERDES, type SensorSerdes } from '../../src/sensors/sensor-serdes.ts'
import { SENSOR_DEFAULTS, sensorTopology } from '../../src/sensors/sensor-topology.ts'

const TOPIC = 'readings'
const SENSORS = 200
const START_MS = Date.UTC(2024, 0, 1)
const READINGS_PER_BATCH = 2_000

/** An embedded log with readings in it, to be aggregated as often as one likes. */
export class AggregatorCost {
  private readonly log: Log
  private readonly folder: string
  private readonly values: readonly Buffer[]
  private runs = 0

  private constructor(log: Log, folder: string, values: readonly Buffer[]) {
    this.log = log
    this.folder = folder
    this.values = values
  }

  /** Writes the readings into a log in an empty folder. */
  static async prepare(folder: string, readings: number): Promise<AggregatorCost> {
    const log = await openEmbeddedLog({ directory: path.join(folder, 'log') })
    const values = Array.from({ length: readings }, (_, index) => Buffer.from(readingAsJson(index)))
    await log.createTopics([{ name: TOPIC, partitions: 1 }])
    const producer = await log.producer({ transactionalId: 'writer' })
    for (let next = 0; next < readings;) {
      const records = new RecordBatchBuilder()
      for (; next < readings && records.count < READINGS_PER_BATCH; next++) {
        records.append(timestampOf(next), `sensor-${next % SENSORS}`, values[next]!)
      }
      producer.begin()
      await producer.send([{ topic: TOPIC, partition: 0, records }])
      await producer.commit()
    }
    await producer.close()
    return new AggregatorCost(log, folder, values)
  }

  /** CPU milliseconds of the aggregator over all readings, from nothing to the last commit. */
  async aggregator(deduplicate: boolean, serdes: SensorSerdes = JSON_SENSOR_SERDES): Promise<number> {
    const applicationId = `cost-${this.runs++}`
    const directory = await LevelStateDirectory.acquire(path.join(this.folder, applicationId))
    const aggregatesTopic = `${applicationId}-aggregates`
    const windows = { windowMs: 60_000, advanceMs: 60_000, graceMs: 20_000 }
    const app = new StreamsApp({
      topology: sensorTopology({ ...SENSOR_DEFAULTS, ...windows, deduplicate, aggregatesTopic }, serdes),
      log: this.log,
      directory: directory!,
      config: { applicationId },
      bounded: { flush: true },
    })
    let readings = 0
    app.events.subscribe((event) => {
      if (event.type === 'committed') readings += event.records
    })
    const before = process.cpuUsage()
    await app.run()
    const { user, system } = process.cpuUsage(before)
    if (readings !== this.values.length) throw new Error(`${readings} readings were worked`)
    return (user + system) / 1_000
  }

  /** CPU milliseconds of the plain loop. */
  plainLoop(): number {
    const before = process.cpuUsage()
    const counts = new Map<string, { count: number; sum: number }>()
    for (const value of this.values) countPlainly(value, counts)
    const { user, system } = process.cpuUsage(before)
    if (counts.size === 0) throw new Error('the loop counted nothing')
    return (user + system) / 1_000
  }

  close(): Promise<void> {
    return this.log.close()
  }
}

/** What the plain loop does with a reading. */
export function countPlainly(value: Buffer, counts: Map<string, { count: number; sum: number }>): void {
  const reading = JSON.parse(value.toString()) as { sensorId: string; timestamp: number; temperature: number }
  const key = `${reading.sensorId}@${Math.floor(reading.timestamp / 60_000)}`
  const window = counts.get(key)
  if (window === undefined) counts.set(key, { count: 1, sum: reading.temperature })
  else {
    window.count++
    window.sum += reading.temperature
  }
}

function timestampOf(index: number): number {
  return START_MS + Math.floor(index / SENSORS) * 1_000
}

function readingAsJson(index: number): string {
  return JSON.stringify({
    eventId: `sensor-${index % SENSORS}-${String(index).padStart(10, '0')}`,
    sensorId: `sensor-${index % SENSORS}`,
    timestamp: timestampOf(index),
    temperature: 20 + ((index * 7_919) % 6_000) / 100,
  })
}
