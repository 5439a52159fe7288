/** What became of the readings of each sensor in one run with tumbling windows that ended with flush. */
import type { Log, Offset, TopicPartition } from '../log/log.ts'
import { readRange } from '../runtime/commit-log.ts'
import type { SensorSummary } from './run-summary.ts'

/** A sensor's readings: each is exactly one of counted, late, duplicate, dead letter. */
export interface SensorCounts extends SensorSummary {
  late: number
  duplicates: number
  deadLetters: number
}

/** Positions in partitions of one topic, by partition. */
export type Positions = ReadonlyMap<number, Offset>

/** The present end of every partition of a topic; none where the topic is missing. */
export async function endsOf(log: Log, topic: string): Promise<Positions> {
  const count = (await log.describeTopics([topic])).get(topic)?.partitions ?? 0
  const partitions = Array.from({ length: count }, (_, partition): TopicPartition => ({ topic, partition }))
  const ends = await log.offsets('stable', partitions)
  return new Map(ends.map((end, partition) => [partition, end]))
}

/** How many records of each key a topic has between two positions; records without a key count under the empty text. */
export async function countByKey(
  log: Log,
  topic: string,
  from: Positions,
  to: Positions,
): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>()
  for (const [partition, end] of to) {
    await readRange(log, { topic, partition }, from.get(partition) ?? 0n, end, (cursor) => {
      const key = cursor.key()?.toString() ?? ''
      counts.set(key, (counts.get(key) ?? 0) + 1)
    })
  }
  return counts
}

/** Puts the counts of a run together; what is neither counted nor late nor a dead letter was a duplicate. */
export function sensorCounts(
  windows: ReadonlyMap<string, SensorSummary>,
  worked: ReadonlyMap<string, number>,
  late: ReadonlyMap<string, number>,
  deadLetters: ReadonlyMap<string, number>,
): ReadonlyMap<string, SensorCounts> {
  const counts = new Map<string, SensorCounts>()
  for (const sensor of [...worked.keys()].sort()) {
    const inWindows = windows.get(sensor) ?? { windows: 0, readings: 0, deviated: 0 }
    const [lateOnes, dead] = [late.get(sensor) ?? 0, deadLetters.get(sensor) ?? 0]
    const duplicates = (worked.get(sensor) ?? 0) - inWindows.readings - lateOnes - dead
    counts.set(sensor, { ...inWindows, late: lateOnes, duplicates, deadLetters: dead })
  }
  return counts
}
