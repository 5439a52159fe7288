/** A replay, and the application that works what it puts back: nothing of a failed record has stayed. */
import { describe, expect, it } from 'vitest'
import {
  RecordError,
  Serdes,
  Stores,
  StreamsApp,
  StreamsBuilder,
  TimeWindows,
  type Topology,
} from '../../../../src/index.ts'
import { handleLetters } from '../../../../src/jobs/dead-letters/handle-letters.ts'
import { planHandling } from '../../../../src/jobs/dead-letters/plan-handling.ts'
import type { Log } from '../../../../src/log/log.ts'
import { DEAD_LETTER } from '../../../../src/runtime/header-names.ts'
import { Deduplicate } from '../../../../src/sensors/deduplicate.ts'
import { readingSerde, type Reading } from '../../../../src/sensors/reading.ts'
import { MemoryStateDirectory } from '../../../../src/state/memory-directory.ts'
import { handlingOf, newLogs, REPLAY_ALL, writeRecords } from '../../../support/letters.ts'
import { readTopic } from '../../../support/read-topic.ts'

/** Counts readings per sensor and minute; readings above `highest` fail behind the detection of duplicates. */
function topologyUpTo(highest: number): Topology {
  const builder = new StreamsBuilder()
  builder.addStateStore(
    Stores.keyValueStore({
      name: 'seen',
      key: Serdes.string(),
      value: Serdes.double(),
      ttlMs: 600_000,
      ranges: false,
    }),
  )
  builder
    .stream<string, Reading>('readings', {
      key: Serdes.string(),
      value: readingSerde,
      timestamp: ({ timestamp }) => timestamp,
    })
    .processValues(() => new Deduplicate('seen'), { name: 'deduplicate', stores: ['seen'] })
    .mapValues(
      (reading) => {
        if (reading.temperature > highest) throw new RecordError('TOO_HOT', `above ${highest}`)
        return reading
      },
      { name: 'check' },
    )
    .groupByKey({ key: Serdes.string(), value: readingSerde })
    .windowedBy(TimeWindows.ofSizeAndGrace(60_000, 600_000))
    .count({ name: 'count' })
    .toStream(({ key, window }) => `${key}@${window.startMs}`)
    .to('counts', { key: Serdes.string(), value: Serdes.json() })
  return builder.build()
}

async function run(log: Log, highest: number, flush: boolean): Promise<void> {
  const app = new StreamsApp({
    topology: topologyUpTo(highest),
    config: { applicationId: 'sensors', deadLetterTopic: 'readings.dlq', maxFutureSkewMs: null },
    log,
    directory: new MemoryStateDirectory(),
    bounded: { flush },
  })
  await app.run()
}

const reading = (index: number, temperature: number): { key: string; timestampMs: number; value: string } => {
  const timestamp = 1_704_067_200_000 + index * 1_000
  const value = { eventId: `e${index}`, sensorId: 's', timestamp, temperature }
  return { key: 's', timestampMs: timestamp, value: String(readingSerde.serialize(value)) }
}

async function logAfterOldVersion(): Promise<Log> {
  const log = newLogs()()
  await log.createTopics(['readings', 'counts', 'readings.dlq'].map((name) => ({ name, partitions: 1 })))
  const hot = [reading(3, 70), reading(5, 80)]
  // The second hot one came twice: both fail, since the first has left nothing behind.
  await writeRecords(log, 'readings', [[reading(0, 20), reading(1, 21), ...hot, hot[1]!, reading(6, 22)]])
  await run(log, 60, false)
  return log
}

const lettersIn = async (log: Log): Promise<(string | undefined)[]> => {
  const [records = []] = await readTopic(log, 'readings.dlq')
  return records.map(({ headers }) => new Map(headers).get(DEAD_LETTER.attempt))
}

describe('a reading that failed behind the detection of duplicates', () => {
  it('is counted when it is put back after the fix, and its duplicate is a duplicate', async () => {
    const log = await logAfterOldVersion()
    expect(await lettersIn(log)).toEqual(['1', '1', '1'])
    const spec = handlingOf(log)
    await handleLetters(spec, await planHandling(spec))
    await run(log, 100, true)
    const [counts = []] = await readTopic(log, 'counts')
    expect(counts.map(({ key, value }) => [key, value])).toEqual([['s@1704067200000', '5']])
    expect(await lettersIn(log)).toHaveLength(3)
  })

  it('counts its attempts on while nothing is mended, until it is parked', async () => {
    const log = await logAfterOldVersion()
    const spec = handlingOf(log, {
      request: { ...REPLAY_ALL, maxAttempts: 3 },
    })
    for (const expected of [
      { replayed: 3, parked: 0 },
      { replayed: 3, parked: 0 },
      { replayed: 0, parked: 3 },
    ]) {
      expect((await handleLetters(spec, await planHandling(spec))).counts).toMatchObject(expected)
      await run(log, 60, false)
    }
    expect(await lettersIn(log)).toEqual(['1', '1', '1', '2', '2', '2', '3', '3', '3'])
    expect((await planHandling(spec)).tally.toHandle).toBe(0)
  })
})
