/**
 * When a record cannot be worked: dead letter, skip, retry.
 *
 *     npm run example error-policy
 *
 * Each stage has an error policy. Whatever it says, a record that fails leaves nothing behind: what it wrote
 * to stores and topics, also in stages before, is undone. Then
 *
 * - `dead-letter` (the default) keeps it in the dead-letter topic, with headers that say where and why it
 *   failed;
 * - `skip` counts it and forgets it;
 * - `fail` stops the application; the record is worked again at the next start.
 *
 * `retry` tries the same record again first, for causes that can pass. Records behind it wait meanwhile.
 */
import { DEAD_LETTER, RecordError, RetriableError, Serdes, StreamsBuilder } from 'millrace'
import { TopologyTestDriver } from 'millrace/testing'

interface Reading {
  readonly celsius: number | null
}

/** Corrections by sensor; something else fetches them while the topology runs. */
const corrections = new Map<string, number>()

const builder = new StreamsBuilder()
const readings = builder.stream<string, Reading>('readings', { name: 'read' })
readings
  .filter((_sensor, { celsius }) => requirePhysical(celsius), { name: 'check' })
  .mapValues(({ celsius }, sensor) => celsius! + correctionOf(sensor), {
    name: 'correct',
    retry: { retries: 3, initialBackoffMs: 100 },
  })
  .to('corrected')
readings.peek((sensor) => requireKnown(sensor), { name: 'audit', onError: 'skip' }).to('audited')

function requirePhysical(celsius: number | null): boolean {
  if (celsius !== null && celsius < -273.15) {
    throw new RecordError('BELOW_ABSOLUTE_ZERO', `${celsius} °C cannot be measured`)
  }
  return celsius !== null
}

function correctionOf(sensor: string): number {
  const correction = corrections.get(sensor)
  // The class says that it can pass; any other error is not tried again, unless `retryIf` says so.
  if (correction === undefined) throw new RetriableError('CORRECTION_MISSING', `no correction of ${sensor}`)
  return correction
}

function requireKnown(sensor: string): void {
  if (sensor === 'intruder') throw new RecordError('SENSOR_UNKNOWN', `${sensor} is none of ours`)
}

const driver = await TopologyTestDriver.create(builder.build(), { config: { deadLetterTopic: 'dead' } })
const key = Serdes.string()
const input = driver.createInputTopic('readings', { key, value: Serdes.json<Reading>() })
const corrected = driver.createOutputTopic('corrected', { key, value: Serdes.json<number>() })
const dead = driver.createOutputTopic('dead', { key, value: Serdes.bytes() })

console.log('dead letters: a value that is no JSON, and one that a stage refuses')
corrections.set('boiler', 0.5)
await input.pipe([
  { key: 'boiler', value: { celsius: 71 }, timestampMs: 1_000 },
  { key: 'boiler', value: null, rawValue: Buffer.from('{"celsius":'), timestampMs: 2_000 },
  { key: 'boiler', value: { celsius: -300 }, timestampMs: 3_000 },
])
await tell()

console.log('skip: gone without a trace but the count, in the other branch as well')
await input.pipeInput('intruder', { celsius: null }, 4_000)
await tell()
console.log(`  skipped: ${driver.counts()['skipped']}`)

console.log('retry: the correction comes before the tries are used up')
await input.pipeInput('cellar', { celsius: 12 }, 5_000)
await tell()
corrections.set('cellar', -0.25)
await driver.advanceWallClock(100)
await tell()

console.log('retry: it does not come; tried again after 100, 200 and 400 ms, and given up')
await input.pipeInput('attic', { celsius: 25 }, 6_000)
await driver.advanceWallClock(100)
await driver.advanceWallClock(200)
await tell()
await driver.advanceWallClock(400)
await tell()
await driver.close()

/** Prints what has come since the last call. */
async function tell(): Promise<void> {
  const results = (await corrected.readRecords()).map((record) => `${record.key} ${record.value} °C`)
  const letters = (await dead.readRecords()).map(
    ({ key: sensor, value, headers }) =>
      `dead letter of ${sensor} ${String(value)}: ${headers[DEAD_LETTER.code]} ` +
      `in ${headers[DEAD_LETTER.stage]}, attempt ${headers[DEAD_LETTER.attempt]}`,
  )
  for (const line of [...results, ...letters]) console.log(`  ${line}`)
  if (results.length + letters.length === 0) console.log('  nothing')
}
