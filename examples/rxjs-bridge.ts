/**
 * RxJS operators in a topology, and what they cannot do there.
 *
 *     npm run example rxjs-bridge
 *
 * `pipe` puts any chain of synchronous RxJS operators into a topology. The chain is subscribed afresh for
 * each record, to a source of that one record. So it may turn a record into none, one or many, but **no
 * operator state outlives a record**: a task can be stopped, killed or moved between any two records, and
 * what an operator remembered would be gone with it. What has to be remembered belongs in a state store: see
 * the example processor-with-state.
 */
import { DEAD_LETTER, Serdes, StreamsBuilder } from 'millrace'
import { TopologyTestDriver } from 'millrace/testing'
import { bufferCount, delay, filter, from, map, mergeMap, pairwise, scan } from 'rxjs'

const builder = new StreamsBuilder()
const samples = builder.stream<string, readonly number[]>('samples')

// Whole records: from the samples of a record, each step of at least one degree becomes a record. `pairwise`
// remembers the sample before, which is fine: it comes from the same record.
samples
  .pipe((records) =>
    records.pipe(
      mergeMap((record) =>
        from(record.value).pipe(
          pairwise(),
          map(([before, after]) => after - before),
          filter((step) => Math.abs(step) >= 1),
          map((step) => ({ ...record, value: step })),
        ),
      ),
    ),
  )
  .to('steps')

// Values alone: keys stay, so no repartition follows. Here two operators try to remember something from
// record to record. They begin anew each time: `scan` always counts to 1, and `bufferCount(2)` gives buffers
// of one.
samples.pipeValues((values) => values.pipe(scan((count) => count + 1, 0))).to('scanned')
samples.pipeValues((values) => values.pipe(bufferCount(2))).to('buffered')

// An operator that waits for the clock would make results depend on it. The record becomes a dead letter.
builder
  .stream<string, number>('clicks')
  .pipeValues((values) => values.pipe(delay(1)), { name: 'wait' })
  .to('delayed')

const driver = await TopologyTestDriver.create(builder.build(), { config: { deadLetterTopic: 'dead' } })
const key = Serdes.string()
const input = driver.createInputTopic('samples', { key, value: Serdes.json<readonly number[]>() })
const clicks = driver.createInputTopic('clicks', { key, value: Serdes.json<number>() })

await input.pipeInput('boiler', [20, 21, 21.5, 24], 1_000)
await input.pipeInput('boiler', [30, 30.5, 29], 2_000)
await clicks.pipeInput('boiler', 1, 3_000)

for (const topic of ['steps', 'scanned', 'buffered', 'delayed']) {
  const records = await driver.createOutputTopic(topic, { key, value: Serdes.json<unknown>() }).readRecords()
  console.log(`${topic}: ${records.map(({ value }) => JSON.stringify(value)).join(' ')}`.trimEnd())
}
for (const { headers } of await driver
  .createOutputTopic('dead', { key, value: Serdes.bytes() })
  .readRecords()) {
  console.log(`dead letter: ${headers[DEAD_LETTER.code]} in ${headers[DEAD_LETTER.stage]}`)
}
await driver.close()
