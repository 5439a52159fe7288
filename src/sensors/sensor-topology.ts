/** The application: readings become statistics per sensor and window. */
import {
  EmitStrategy,
  RecordError,
  Serdes,
  Stores,
  StreamsBuilder,
  TimeWindows,
  type Topology,
} from '../index.ts'
import { aggregateKey, toAggregate } from './aggregate.ts'
import { Deduplicate } from './deduplicate.ts'
import { isDeviated, readingSerde, type Reading, type ValidRange } from './reading.ts'
import { JSON_SENSOR_SERDES, type SensorSerdes } from './sensor-serdes.ts'
import { addReading, emptyStatistics, statisticsSerde } from './statistics.ts'

export interface SensorTopologyOptions {
  readonly windowMs: number
  /** Distance between the starts of windows; `windowMs` for tumbling ones. */
  readonly advanceMs: number
  readonly graceMs: number
  readonly emit: 'close' | 'update'
  readonly validRange: ValidRange
  /** Readings with the same event id count once. */
  readonly deduplicate: boolean
  /**
   * For topics that are not keyed by sensor id: repartitions by it. Else a reading under another key is a dead letter.
   */
  readonly rekey: boolean
  readonly readingsTopic: string
  readonly aggregatesTopic: string
  readonly lateTopic: string
}

export const SENSOR_DEFAULTS: SensorTopologyOptions = {
  windowMs: 600_000,
  advanceMs: 600_000,
  graceMs: 60_000,
  emit: 'close',
  validRange: { low: 50, high: 55 },
  deduplicate: true,
  rekey: false,
  readingsTopic: 'readings',
  aggregatesTopic: 'aggregates',
  lateTopic: 'readings.late',
}

const SEEN_STORE = 'seen'

/**
 * readings → checked (dead letters) → without duplicates → by sensor → windows → statistics → aggregates.
 *
 * An event id is remembered for the window size and grace: a duplicate that comes later would be late for every window
 * of the reading anyway.
 *
 * `serdes` are those of readings and aggregates; what only the application itself reads is always written the same, so
 * that a change of format leaves state and positions as they are.
 */
export function sensorTopology(
  options: SensorTopologyOptions = SENSOR_DEFAULTS,
  serdes: SensorSerdes = JSON_SENSOR_SERDES,
): Topology {
  const builder = new StreamsBuilder()
  const source = builder.stream<string, Reading>(options.readingsTopic, {
    name: 'readings',
    key: Serdes.string(),
    value: serdes.reading,
    timestamp: eventTimeOf,
  })
  const keyed = options.rekey
    ? source
        .selectKey((_key, reading) => reading.sensorId, { name: 'key-by-sensor' })
        .repartition({
          name: 'by-sensor',
          key: Serdes.string(),
          value: readingSerde,
        })
    : source.peek(requireSensorKey, { name: 'check-key' })
  if (options.deduplicate) {
    builder.addStateStore(
      Stores.keyValueStore({
        name: SEEN_STORE,
        key: Serdes.string(),
        value: Serdes.double(),
        ttlMs: options.windowMs + options.graceMs,
        ranges: false,
      }),
    )
  }
  const readings = options.deduplicate
    ? keyed.processValues(() => new Deduplicate(SEEN_STORE), { name: 'deduplicate', stores: [SEEN_STORE] })
    : keyed
  const windows = TimeWindows.ofSizeAndGrace(options.windowMs, options.graceMs).advanceBy(options.advanceMs)
  readings
    .groupByKey({ key: Serdes.string(), value: serdes.late })
    .windowedBy(windows, { lateTopic: options.lateTopic })
    .emitStrategy(options.emit === 'close' ? EmitStrategy.onWindowClose() : EmitStrategy.onWindowUpdate())
    .aggregate(
      () => emptyStatistics,
      (_sensor, reading, statistics) => {
        const deviated = isDeviated(reading.temperature, options.validRange)
        return addReading(statistics, reading.temperature, deviated, reading.synthetic === true)
      },
      { name: 'statistics', value: statisticsSerde, commutative: true },
    )
    .toStream()
    .map(
      ({ key, window: { startMs, endMs } }, statistics) => [
        aggregateKey(key, startMs),
        toAggregate(key, startMs, endMs, statistics),
      ],
      { name: 'to-aggregate' },
    )
    .to(options.aggregatesTopic, {
      name: 'aggregates',
      key: Serdes.string(),
      value: serdes.aggregate,
      partitionBy: (_key, aggregate) => aggregate.sensorId,
    })
  return builder.build()
}

/** The event time of a reading. `RecordError` `READING_MISSING` for a record without value. */
export function eventTimeOf(reading: Reading | null): number {
  if (reading === null) throw new RecordError('READING_MISSING', 'the record has no value')
  return reading.timestamp
}

/** `RecordError` `SENSOR_KEY_DIFFERS` for a reading that does not stand under its sensor id. */
export function requireSensorKey(key: string | null, reading: Reading): void {
  if (key === reading.sensorId) return
  const told = key === null ? 'missing' : `"${key.slice(0, 80)}"`
  throw new RecordError(
    'SENSOR_KEY_DIFFERS',
    `the key is ${told} and the sensor id "${reading.sensorId.slice(0, 80)}": ` +
      'key the topic by sensor id, or let the application do it (--rekey)',
  )
}
