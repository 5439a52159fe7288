/**
 * Late readings, and windows of windows: readings per ten minutes, and from those results readings per hour.
 *
 *     npm run example late-and-chained-windows
 *
 * Event time is what the readings say, never the wall clock. The **watermark** of a partition is the highest
 * event time seen on it. A window takes readings until the watermark reaches its end plus **grace**; it then
 * sends its one result, and whatever comes for it later goes to the late topic.
 */
import { Serdes, StreamsBuilder, TimeWindows } from 'millrace'
import { TopologyTestDriver } from 'millrace/testing'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

const builder = new StreamsBuilder()
const perTenMinutes = builder
  .stream<string, number>('readings')
  .groupByKey()
  .windowedBy(TimeWindows.ofSizeAndGrace(10 * MINUTE_MS, 2 * MINUTE_MS), { lateTopic: 'readings.late' })
  .count()
  // The key is now the sensor and its window; the next aggregation is by sensor alone.
  .toStream(({ key }) => key)
perTenMinutes.to('per-ten-minutes')

// The result of [00:50, 01:00) has the time 00:59:59.999, and comes two minutes of grace after 01:00. The
// hour waits for it without a grace of its own: behind an aggregation, the watermark is less by the grace of
// its windows.
perTenMinutes
  .groupByKey()
  .windowedBy(TimeWindows.ofSizeWithNoGrace(HOUR_MS))
  .reduce((sum, count) => sum + count)
  .toStream(({ key }) => key)
  .to('per-hour')

const driver = await TopologyTestDriver.create(builder.build())
const serdes = { key: Serdes.string(), value: Serdes.json<number>() }
const readings = driver.createInputTopic('readings', serdes)
const outputs = {
  'ten minutes': driver.createOutputTopic('per-ten-minutes', serdes),
  hour: driver.createOutputTopic('per-hour', serdes),
  late: driver.createOutputTopic('readings.late', serdes),
}

await readingAt('00:01')
await readingAt('00:09')
await readingAt('00:11')
await readingAt('00:05') // behind, but within the grace of [00:00, 00:10)
await readingAt('00:13') // closes [00:00, 00:10): the watermark has reached 00:12
await readingAt('00:07') // late for it
await readingAt('00:58') // closes [00:10, 00:20)
await readingAt('01:01') // the hour is over, but its last ten minutes still take readings …
await readingAt('00:59') // … such as this one
await readingAt('01:03') // closes [00:50, 01:00), and with it the hour
await driver.close()

/** Writes a reading of the boiler, and prints everything that follows from it. */
async function readingAt(time: string): Promise<void> {
  await readings.pipeInput('boiler', 71.5, Date.parse(`1970-01-01T${time}Z`))
  const results: string[] = []
  for (const [name, topic] of Object.entries(outputs)) {
    for (const { value, timestampMs } of await topic.readRecords()) {
      const written = new Date(timestampMs).toISOString().slice(11, 23)
      results.push(name === 'late' ? `late (${written})` : `${name} up to ${written}: ${value}`)
    }
  }
  console.log(`${time}  ${results.join(', ')}`.trimEnd())
}
