/**
 * A processor that remembers: an alarm when three readings in a row are too high, and a word when it is over.
 *
 *     npm run example processor-with-state
 *
 * What a processor must not forget is in a **state store**. The store is kept with the task: it is restored
 * after a crash, moves with the task to another instance, and never holds the effect of a record twice.
 */
import {
  Serdes,
  Stores,
  StreamsBuilder,
  type KeyValueStore,
  type Processor,
  type ProcessorContext,
  type StreamRecord,
} from 'millrace'
import { TopologyTestDriver } from 'millrace/testing'

const LIMIT_CELSIUS = 80
const READINGS_UNTIL_ALARM = 3

/** How many readings in a row were too high, by sensor. */
const streaks = Stores.keyValueStore({ name: 'streaks', key: Serdes.string(), value: Serdes.json<number>() })

/** There is one for each task. It sees the records in one order, wherever they come from. */
class HighTemperatureAlarm implements Processor<string, number, string, string> {
  private streaks!: KeyValueStore<string, number>

  init(context: ProcessorContext<string, string>): void {
    this.streaks = context.keyValueStore(streaks.name)
  }

  process({ key, value }: StreamRecord<string, number>, context: ProcessorContext<string, string>): void {
    const before = this.streaks.get(key) ?? 0
    if (value <= LIMIT_CELSIUS) {
      this.streaks.delete(key)
      if (before >= READINGS_UNTIL_ALARM) context.forward({ key, value: `over after ${before} readings` })
      return
    }
    this.streaks.put(key, before + 1)
    if (before + 1 === READINGS_UNTIL_ALARM) context.forward({ key, value: `alarm at ${value} °C` })
  }
}

const builder = new StreamsBuilder()
builder
  .addStateStore(streaks)
  .stream<string, number>('readings')
  .process(() => new HighTemperatureAlarm(), { stores: [streaks.name] })
  .to('alarms')

const driver = await TopologyTestDriver.create(builder.build())
const serdes = { key: Serdes.string(), value: Serdes.json<number>() }
const readings = driver.createInputTopic('readings', serdes)
const alarms = driver.createOutputTopic('alarms', { key: Serdes.string(), value: Serdes.json<string>() })
let second = 0

await reading('boiler', 81)
await reading('cellar', 12)
await reading('boiler', 82)
await reading('boiler', 79) // two in a row: no alarm
await reading('boiler', 83)
await reading('boiler', 84)
console.log(`-- killed with ${driver.keyValueStore<string, number>('streaks').get('boiler')} in a row --`)
await driver.restart('crash')
await reading('boiler', 85) // the third in a row
await reading('boiler', 86)
await reading('boiler', 78)
await driver.close()

/** Writes a reading, and prints it with what follows from it. */
async function reading(sensor: string, celsius: number): Promise<void> {
  await readings.pipeInput(sensor, celsius, (second += 1) * 1_000)
  const results = (await alarms.readRecords()).map(({ value }) => value)
  console.log(`${sensor} ${celsius}  ${results.join(', ')}`.trimEnd())
}
