/**
 * A first topology: how many readings came from each sensor in each minute?
 *
 *     npm run example first-topology
 *
 * Everything happens in memory here. To keep it, open a log on disk, `await openEmbeddedLog({ directory })`,
 * and use a `LevelStateDirectory` for the state.
 */
import {
  createInMemoryLog,
  MemoryStateDirectory,
  RecordBatchBuilder,
  RecordCursor,
  StreamsApp,
  StreamsBuilder,
  TimeWindows,
} from 'millrace'

const MINUTE_MS = 60_000

interface Reading {
  readonly ok: boolean
  readonly celsius: number
}

// 1. Say what is to be computed. Nothing runs yet. Keys are text and values JSON, unless a serde says
// otherwise.
const builder = new StreamsBuilder()
builder
  .stream<string, Reading>('readings')
  .filter((_sensor, reading) => reading.ok)
  .mapValues((reading) => reading.celsius)
  .groupByKey()
  // A minute is over, and its result final, when a reading of the next minute comes.
  .windowedBy(TimeWindows.ofSizeWithNoGrace(MINUTE_MS))
  .count()
  .toStream(({ key, window }) => `${key} ${timeOf(window.startMs)}-${timeOf(window.endMs)}`)
  .to('readings-per-minute')
const topology = builder.build()

// 2. Some readings in the log: key, event time, value.
const log = createInMemoryLog()
await log.createTopics([{ name: 'readings', partitions: 1 }])
const readings = new RecordBatchBuilder()
append('boiler', 0, { ok: true, celsius: 71.5 })
append('boiler', 20, { ok: true, celsius: 71.9 })
append('cellar', 30, { ok: true, celsius: 12.1 })
append('boiler', 40, { ok: false, celsius: 0 })
append('cellar', 70, { ok: true, celsius: 12 })
append('boiler', 90, { ok: true, celsius: 72.4 })
append('cellar', 110, { ok: true, celsius: 12.2 })
const producer = await log.producer({ transactionalId: 'sensors' })
producer.begin()
await producer.send([{ topic: 'readings', partition: 0, records: readings }])
await producer.commit()

// 3. Run it. Without `bounded` it would run until `app.stop()`; with it, it ends where the topic ends now,
// and `flush` also closes the windows that are still open there.
const app = new StreamsApp({
  topology,
  config: { applicationId: 'first-topology' },
  log,
  directory: new MemoryStateDirectory('first-topology'),
  bounded: { flush: true },
})
await app.run()

// 4. What came out.
for (const [window, count] of await read('readings-per-minute')) console.log(`${window}: ${count}`)
await log.close()

function append(sensor: string, second: number, reading: Reading): void {
  readings.append(second * 1_000, sensor, JSON.stringify(reading))
}

/** Keys and values of the committed records in partition 0 of a topic. */
async function read(topic: string): Promise<[key: string, value: string][]> {
  const place = { topic, partition: 0 }
  const [end] = await log.offsets('stable', [place])
  const reader = log.reader()
  reader.assign(place, 0n)
  const cursor = new RecordCursor()
  const records: [string, string][] = []
  for (let position = 0n; position < end!;) {
    const { chunks } = await reader.poll(1_000)
    for (const { batches, nextOffset } of chunks) {
      cursor.reset(batches)
      while (cursor.next()) records.push([String(cursor.key()), String(cursor.value())])
      position = nextOffset
    }
  }
  await reader.close()
  return records
}

/** `mm:ss` of an event time in the first hour of 1970, where this example takes place. */
function timeOf(ms: number): string {
  return new Date(ms).toISOString().slice(14, 19)
}
