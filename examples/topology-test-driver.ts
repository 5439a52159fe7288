/**
 * How to test a topology: TopologyTestDriver.
 *
 *     npm run example topology-test-driver
 *
 * The driver runs the production code on a log in memory, with as many partitions as you say and a clock that
 * stands still until you move it. Every call that writes returns when all that follows from it is worked and
 * committed, so a test never sleeps. Here `node:assert` checks; vitest, jest or node:test do as well.
 */
import assert from 'node:assert/strict'
import { LATE, Serdes, StreamsBuilder, TimeWindows, type Topology } from 'millrace'
import { TopologyTestDriver } from 'millrace/testing'

const MINUTE_MS = 60_000

/** What is to be tested: the highest temperature per sensor and minute. */
function highestPerMinute(): Topology {
  const builder = new StreamsBuilder()
  builder
    .stream<string, number>('readings')
    .groupByKey()
    .windowedBy(TimeWindows.ofSizeWithNoGrace(MINUTE_MS), { lateTopic: 'readings.late' })
    .reduce((highest, celsius) => Math.max(highest, celsius), { store: 'highest', commutative: true })
    .toStream(({ key, window }) => `${key}@${window.startMs}`)
    .to('highest')
  return builder.build()
}

/** A driver with two partitions, and its topics. */
async function setUp() {
  const driver = await TopologyTestDriver.create(highestPerMinute(), {
    partitions: 2,
    config: { idleTimeoutMs: 30_000, closeAfterSilenceMs: 60_000 },
  })
  const serdes = { key: Serdes.string(), value: Serdes.json<number>() }
  const input = driver.createInputTopic('readings', serdes)
  const output = driver.createOutputTopic('highest', serdes)
  return {
    driver,
    /** By hand into a partition, so that a test does not depend on how keys are hashed. */
    write: (partition: number, sensor: string, second: number, celsius: number) =>
      input.pipe([{ partition, key: sensor, value: celsius, timestampMs: second * 1_000 }]),
    results: async () => (await output.readRecords()).map(({ key, value }) => [key, value]),
    late: driver.createOutputTopic('readings.late', serdes),
  }
}

await test('a window gives its highest value when the time of its partition has passed it', async () => {
  const { driver, write, results } = await setUp()
  await write(0, 'boiler', 10, 71)
  await write(0, 'boiler', 20, 73)
  await write(0, 'boiler', 30, 72)
  assert.deepEqual(await results(), [])
  await write(0, 'boiler', 60, 70)
  assert.deepEqual(await results(), [['boiler@0', 73]])
  await driver.close()
})

await test('what a window holds can be seen in its store before it closes', async () => {
  const { driver, write } = await setUp()
  await write(1, 'cellar', 10, 12)
  await write(1, 'cellar', 20, 11)
  assert.equal(driver.windowStore<string, number>('highest', 1).fetch('cellar', 0), 12)
  assert.equal(driver.windowStore<string, number>('highest', 0).fetch('cellar', 0), undefined)
  await driver.close()
})

await test('a reading behind the watermark of its own partition goes to the late topic', async () => {
  const { driver, write, late } = await setUp()
  await write(0, 'boiler', 70, 71)
  await write(0, 'boiler', 59, 99)
  await write(1, 'cellar', 59, 12) // on time: nothing is known of its partition yet
  const records = await late.readRecords()
  assert.deepEqual(
    records.map(({ key, value, headers }) => [key, value, headers[LATE.watermark]]),
    [['boiler', 99, '70000']],
  )
  assert.deepEqual(driver.counts(), { consumed: 3, late: 1 })
  await driver.close()
})

await test('a crash loses nothing and repeats nothing', async () => {
  const { driver, write, results } = await setUp()
  await write(0, 'boiler', 10, 75)
  await driver.restart('crash')
  await write(0, 'boiler', 20, 71)
  await write(0, 'boiler', 60, 70)
  assert.deepEqual(await results(), [['boiler@0', 75]])
  await driver.restart('crash')
  assert.deepEqual(await results(), [])
  await driver.close()
})

await test('a window with nothing behind it closes when it has been silent for long', async () => {
  const { driver, write, results } = await setUp()
  await write(0, 'boiler', 10, 71)
  await driver.advanceWallClock(80_000) // idle after 30 s of silence; what is open closes after 60 s more
  assert.deepEqual(await results(), [])
  await driver.advanceWallClock(60_000)
  assert.deepEqual(await results(), [['boiler@0', 71]])
  await driver.close()
})

/** Runs one test and says its name; an assertion that does not hold ends the program. */
async function test(name: string, body: () => Promise<void>): Promise<void> {
  await body()
  console.log(`ok - ${name}`)
}
