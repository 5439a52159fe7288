/** A short look into the sources before a plan is made: how fast they are read, and what their timestamps mean. */
import type { Clock } from '../../clock.ts'
import type { Log, Offset, TopicPartition } from '../../log/log.ts'
import type { RecordCursor } from '../../log/record-cursor.ts'
import { readRange } from '../../runtime/commit-log.ts'
import type { RecordContext } from '../../topology/stream-record.ts'
import type { SourceNode } from '../../topology/topology.ts'

/** Records looked at in each place. */
const SAMPLE_RECORDS = 2_000n

/** What was found. */
export interface SourceSample {
  readonly records: number
  readonly bytes: number
  /** Records read and decoded in a second; `undefined` where there were too few to tell. */
  readonly recordsPerSecond: number | undefined
  /** Whether every record that can be read has its event time as its timestamp. */
  readonly timestampsAreEventTimes: boolean
}

/** A partition with the node that reads it. */
export interface SampledPartition {
  readonly partition: TopicPartition
  readonly source: SourceNode
  readonly start: Offset
  readonly end: Offset
}

/** Reads some records at the start, in the middle and at the end of each partition. */
export async function sampleSources(
  log: Log,
  clock: Clock,
  partitions: readonly SampledPartition[],
): Promise<SourceSample> {
  const found = { records: 0, bytes: 0, agree: true }
  const startedMs = clock.monotonic()
  for (const sampled of partitions) {
    const { start, end } = sampled
    const places = [start, start + (end - start) / 2n, end - SAMPLE_RECORDS]
    let through = start
    for (const place of places) {
      const from = place > through ? place : through
      const to = from + SAMPLE_RECORDS < end ? from + SAMPLE_RECORDS : end
      await sampleRange(log, sampled, from, to, found)
      through = to > through ? to : through
    }
  }
  const seconds = (clock.monotonic() - startedMs) / 1000
  const enough = found.records >= 100 && seconds > 0
  return {
    records: found.records,
    bytes: found.bytes,
    recordsPerSecond: enough ? found.records / seconds : undefined,
    timestampsAreEventTimes: found.agree,
  }
}

async function sampleRange(
  log: Log,
  { partition, source }: SampledPartition,
  from: Offset,
  to: Offset,
  found: { records: number; bytes: number; agree: boolean },
): Promise<void> {
  const lookups = [source.key.lookup, source.value.lookup]
  if (lookups.some((lookup) => lookup !== undefined)) {
    await readRange(log, partition, from, to, ({ buffer, keyStart, keyEnd, valueStart, valueEnd }) => {
      if (keyEnd >= 0) source.key.lookup?.missing(buffer, keyStart, keyEnd)
      if (valueEnd >= 0) source.value.lookup?.missing(buffer, valueStart, valueEnd)
    })
    for (const lookup of lookups) await lookup?.fetch()
  }
  await readRange(log, partition, from, to, (cursor) => {
    found.records++
    found.bytes +=
      Math.max(0, cursor.valueEnd - cursor.valueStart) + Math.max(0, cursor.keyEnd - cursor.keyStart)
    const timeMs = eventTimeOf(source, cursor, partition)
    if (timeMs !== undefined && timeMs !== cursor.timestampMs) found.agree = false
  })
}

/** The event time of a record; `undefined` for one that cannot be read, and so is a dead letter whenever it is. */
function eventTimeOf(
  { key, value, timestamp }: SourceNode,
  cursor: RecordCursor,
  { topic, partition }: TopicPartition,
): number | undefined {
  if (timestamp === undefined) return cursor.timestampMs
  const { buffer, keyStart, keyEnd, valueStart, valueEnd } = cursor
  const record: RecordContext = {
    topic,
    partition,
    offset: cursor.offset,
    timestampMs: cursor.timestampMs,
    headers: cursor.headers(),
    isReplay: true,
  }
  try {
    const readKey = keyEnd < 0 ? null : key.deserialize(buffer, keyStart, keyEnd)
    const readValue = valueEnd < 0 ? null : value.deserialize(buffer, valueStart, valueEnd)
    return timestamp(readValue, readKey, record)
  } catch {
    return undefined
  }
}
