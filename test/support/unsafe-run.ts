/**
 * The aggregator without transactions, as a process: the planted fault that a check of exactly once has to find.
 *
 *     node dist/test/support/unsafe-run.js <broker> <session time-out in ms> [until-end]
 *
 * Keeps its state below the folder it is started in; tells on stderr which tasks it has, as `millrace run` does. Ends
 * with SIGTERM, or at the end of the readings, with flush, where that is asked for.
 */
import path from 'node:path'
import { LevelStateDirectory, openKafkaLog, StreamsApp } from '../../src/index.ts'
import { SENSOR_DEFAULTS, sensorTopology } from '../../src/sensors/sensor-topology.ts'

const [broker, sessionTimeoutMs, end] = process.argv.slice(2)
const log = await openKafkaLog({ brokers: [broker!] })
const directory = await LevelStateDirectory.acquire(path.resolve('state'))
if (directory === undefined) throw new Error('the state directory is in use')
const app = new StreamsApp({
  topology: sensorTopology({ ...SENSOR_DEFAULTS, windowMs: 10_000, advanceMs: 10_000, graceMs: 2_000 }),
  log,
  directory,
  config: {
    applicationId: 'sensors',
    lateTopic: 'readings.late',
    deadLetterTopic: 'readings.dlq',
    commitIntervalMs: 1_000,
    sessionTimeoutMs: Number(sessionTimeoutMs),
    idleTimeoutMs: null,
  },
  ...(end === 'until-end' && { bounded: { flush: true } }),
  options: { unsafeWithoutTransactions: true },
})
const tell = (line: object): void =>
  void process.stderr.write(`${JSON.stringify(line)}
`)
app.events.subscribe((event) => {
  if (event.type === 'tasks-assigned') tell({ msg: 'tasks assigned', tasks: event.tasks.join(' ') })
  if (event.type === 'tasks-lost') tell({ msg: 'tasks lost to others', reason: event.reason })
  if (event.type === 'tasks-revoked') tell({ msg: 'tasks given up for a rebalance' })
  if (event.type === 'recovering') tell({ msg: 'starting again from what is committed', ...event })
})
process.once('SIGTERM', () => void app.stop())
await app.run()
await log.close()
// As the program does, too: what is left of broken connections is of no interest.
process.exit(0)
