/**
 * Whether the order of a file fits event time. A file that has one block per sensor is in order within each
 * sensor, but its second block begins long before the end of the first: written to one partition like that,
 * nearly all of it is late.
 */

/** What is known of one sensor of a file. */
interface SensorOrder {
  count: number
  firstMs: number
  lastMs: number
  /** How far a reading was behind an earlier one of its own sensor, at most. */
  stepBackWithinMs: number
  /** How far a reading was behind an earlier one of any sensor, at most. */
  stepBackAcrossMs: number
}

/** A sensor whose readings stand in the file as if they were late. */
export interface MisplacedSensor {
  readonly sensorId: string
  /** How far behind the newest reading before it one of its readings is, at most. */
  readonly behindMs: number
}

/** Behind by this many of a sensor's own intervals is "much", in a long file. */
const INTERVALS_BEHIND = 10

/** Watches readings in the order of the file, or of several files merged; memory grows with sensors only. */
export class FileOrder {
  readonly #sensors = new Map<string, SensorOrder>()
  #newestMs = -Infinity

  /** Notes the next reading. */
  add(sensorId: string, timestampMs: number): void {
    let sensor = this.#sensors.get(sensorId)
    if (sensor === undefined) {
      sensor = {
        count: 0,
        firstMs: timestampMs,
        lastMs: timestampMs,
        stepBackWithinMs: 0,
        stepBackAcrossMs: 0,
      }
      this.#sensors.set(sensorId, sensor)
    }
    sensor.count++
    sensor.stepBackWithinMs = Math.max(sensor.stepBackWithinMs, sensor.lastMs - timestampMs)
    sensor.stepBackAcrossMs = Math.max(sensor.stepBackAcrossMs, this.#newestMs - timestampMs)
    sensor.firstMs = Math.min(sensor.firstMs, timestampMs)
    sensor.lastMs = Math.max(sensor.lastMs, timestampMs)
    this.#newestMs = Math.max(this.#newestMs, timestampMs)
  }

  /**
   * The sensors that the order of the file would make late, in order of appearance: those whose readings were
   * more than twice as far behind other sensors as behind their own, and by more than ten of their own
   * intervals or half of all their time, whichever is less. None for one sensor, for sensors that take turns,
   * for single readings that came late. Sensors with one reading are not judged.
   *
   * If there are any, sort by event time.
   */
  misplacedSensors(): readonly MisplacedSensor[] {
    const misplaced: MisplacedSensor[] = []
    for (const [sensorId, sensor] of this.#sensors) {
      if (sensor.count < 2) continue
      const intervals = sensor.count - 1
      const much = ((sensor.lastMs - sensor.firstMs) / intervals) * Math.min(INTERVALS_BEHIND, intervals / 2)
      const behindMs = sensor.stepBackAcrossMs
      if (behindMs > much && behindMs > 2 * sensor.stepBackWithinMs) misplaced.push({ sensorId, behindMs })
    }
    return misplaced
  }
}
