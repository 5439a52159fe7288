/**
 * The readings that both sides aggregate: a function of seed and number, so that they are written once and what has to
 * come of them is known without keeping them.
 */
import { partitionForKey } from '../../src/index.ts'

/** What is written. */
export interface Workload {
  readonly readings: number
  readonly sensors: number
  readonly partitions: number
  readonly seed: number
}

/** A reading, its temperature also in whole hundredths of a degree. */
export interface BenchReading {
  readonly eventId: string
  readonly sensorId: string
  readonly timestamp: number
  readonly hundredths: number
  readonly partition: number
}

const START_MS = Date.UTC(2024, 0, 1)
/** Every sensor tells something once a second. */
const PERIOD_MS = 1_000
/** One in ten comes up to ten seconds after its time, one in two thousand so much after that it is late. */
const DELAYED_SHARE = 0.1
const DELAY_MS = 10_000
const LATE_SHARE = 0.0005
const LATE_BY_MS = 100_000
/** One in two hundred is sent again, one to five seconds after it was sent first. */
const REPEATED_SHARE = 0.005
const REPEATED_AFTER = 5
/** Beyond every window and grace. */
const CLOSE_AFTER_MS = 600_000

/** The readings of a workload, in the order in which they are written. */
export class Readings {
  readonly workload: Workload
  private readonly sensorIds: readonly string[]
  private readonly sensorPartitions: readonly number[]

  constructor(workload: Workload) {
    this.workload = workload
    this.sensorIds = Array.from({ length: workload.sensors }, (_, sensor) => `sensor-${sensor}`)
    this.sensorPartitions = this.sensorIds.map((id) => partitionForKey(id, workload.partitions))
  }

  /** How many there are, the last of each partition included. */
  get count(): number {
    return this.workload.readings + this.workload.partitions
  }

  /** Where the readings of a sensor are. */
  partitionOf(sensorId: string): number {
    return partitionForKey(sensorId, this.workload.partitions)
  }

  /** Reading number `index`. The last ones, one for each partition, lie so far ahead that they close all windows. */
  at(index: number): BenchReading {
    const { readings, sensors } = this.workload
    if (index >= readings) return this.closing(index - readings)
    const chance = draw(this.workload.seed, index, 1)
    const back = 1 + Math.floor(draw(this.workload.seed, index, 2) * REPEATED_AFTER)
    const repeats = chance < REPEATED_SHARE && index >= back * sensors
    return this.first(repeats ? index - back * sensors : index)
  }

  /** As it is when it is sent first. */
  private first(index: number): BenchReading {
    const { seed, sensors } = this.workload
    const sensor = index % sensors
    const sensorId = this.sensorIds[sensor]!
    return {
      eventId: `${sensorId}-${String(index).padStart(10, '0')}`,
      sensorId,
      timestamp: Math.max(START_MS, START_MS + Math.floor(index / sensors) * PERIOD_MS - this.age(index)),
      hundredths: 2_000 + Math.floor(draw(seed, index, 3) * 6_000),
      partition: this.sensorPartitions[sensor]!,
    }
  }

  private age(index: number): number {
    const { seed } = this.workload
    const chance = draw(seed, index, 4)
    if (chance < LATE_SHARE) return LATE_BY_MS
    return chance < DELAYED_SHARE ? Math.floor(draw(seed, index, 5) * DELAY_MS) : 0
  }

  private closing(partition: number): BenchReading {
    const { readings, sensors, partitions } = this.workload
    const name = (number: number): string => `closing-${number}`
    let number = 0
    while (partitionForKey(name(number), partitions) !== partition) number++
    const lastMs = START_MS + Math.floor(readings / sensors) * PERIOD_MS
    return {
      eventId: name(number),
      sensorId: name(number),
      timestamp: lastMs + CLOSE_AFTER_MS,
      hundredths: 5_000,
      partition,
    }
  }
}

/** A number in [0, 1) for each seed, index and purpose: the finaliser of MurmurHash3 over their mixture. */
function draw(seed: number, index: number, purpose: number): number {
  let word = (Math.imul(index, 0x9e3779b1) ^ Math.imul(purpose, 0x85ebca77) ^ Math.imul(seed, 0xc2b2ae3d)) | 0
  word = Math.imul(word ^ (word >>> 16), 0x85ebca6b)
  word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35)
  return ((word ^ (word >>> 16)) >>> 0) / 4_294_967_296
}
