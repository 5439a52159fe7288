/**
 * Grouping by something else than the key: the latest reading of each room, from readings keyed by sensor.
 *
 *     npm run example repartition
 *
 * Readings of one room lie in several partitions, so they have to be brought together: after `selectKey`,
 * grouping sends them through a topic of its own, partitioned by the new key. That makes two sub-topologies,
 * run as separate tasks.
 *
 * "Latest" needs an order. Where results depend on one, records are taken in one canonical order, by event
 * time across all partitions, however the partitions happened to be read: the same log always gives the same
 * results.
 */
import { describeAsText, describeTopology, Serdes, StreamsBuilder } from 'millrace'
import { TopologyTestDriver } from 'millrace/testing'

interface Reading {
  readonly room: string
  readonly celsius: number
}

const builder = new StreamsBuilder()
builder
  .stream<string, Reading>('readings', { name: 'readings' })
  .selectKey((_sensor, { room }) => room, { name: 'by-room' })
  .groupByKey({ name: 'rooms' })
  .reduce((_before, latest) => latest, { name: 'latest' })
  .toStream()
  .to('latest-by-room', { name: 'latest-by-room' })
const topology = builder.build()
console.log(describeAsText(describeTopology(topology)))

const driver = await TopologyTestDriver.create(topology, { partitions: 2 })
const input = driver.createInputTopic('readings', { key: Serdes.string(), value: Serdes.json<Reading>() })
const latest = driver.createOutputTopic('latest-by-room', {
  key: Serdes.string(),
  value: Serdes.json<Reading>(),
})

console.log('partition 0 is written: nothing yet, for partition 1 may hold earlier readings')
await write(0, [
  { sensor: 'door', second: 0, room: 'hall', celsius: 20 },
  { sensor: 'door', second: 20, room: 'hall', celsius: 20.4 },
])
console.log('partition 1 is written: everything up to second 20, the end of partition 0, is decided')
await write(1, [
  { sensor: 'stairs', second: 10, room: 'hall', celsius: 19 },
  { sensor: 'bench', second: 30, room: 'laboratory', celsius: 22 },
  { sensor: 'stairs', second: 40, room: 'hall', celsius: 19.2 },
])
console.log('a flush at the end of a run decides the rest')
await driver.flush()
await tell()
await driver.close()

interface RoomReading extends Reading {
  readonly sensor: string
  readonly second: number
}

async function write(partition: number, readings: readonly RoomReading[]): Promise<void> {
  await input.pipe(
    readings.map(({ sensor, second, room, celsius }) => {
      return { key: sensor, value: { room, celsius }, timestampMs: second * 1_000, partition }
    }),
  )
  await tell()
}

/** Prints what has come since the last call, room by room. */
async function tell(): Promise<void> {
  const records = await latest.readRecords()
  for (const room of ['hall', 'laboratory']) {
    const changes = records.filter(({ key }) => key === room).map(({ value }) => value?.celsius)
    console.log(`  ${room}: ${changes.length === 0 ? 'no change' : changes.join(', then ')}`)
  }
}
