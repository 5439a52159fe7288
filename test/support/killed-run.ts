/**
 * A process that runs the aggregator to the end of its input, with flush, unless it is killed before.
 *
 *     node dist/test/support/killed-run.js <data directory> [<kill point> <occurrence>]
 *
 * Prints the application's events that matter to the test, one JSON object a line.
 */
import path from 'node:path'
import { LevelStateDirectory, openEmbeddedLog, StreamsApp, type StreamsEvent } from '../../src/index.ts'
import { SENSOR_DEFAULTS, sensorTopology } from '../../src/sensors/sensor-topology.ts'
import { Killer, killedDirectory, killedLog, type KillPoint } from './kill-points.ts'

const TOLD: readonly StreamsEvent['type'][] = ['task-started', 'recovering', 'run-finished', 'warning']

const [dataDirectory, point, occurrence] = process.argv.slice(2)
const killer = new Killer((point ?? '') as KillPoint, Number(occurrence ?? 1))
const log = await openEmbeddedLog({ directory: path.join(dataDirectory!, 'log') })
const directory = await LevelStateDirectory.acquire(path.join(dataDirectory!, 'state'))
if (directory === undefined) throw new Error('the state directory is in use')
const app = new StreamsApp({
  // Repartitioned by sensor id, so that commits have to carry records from one sub-topology to another.
  topology: sensorTopology({
    ...SENSOR_DEFAULTS,
    windowMs: 60_000,
    advanceMs: 20_000,
    graceMs: 10_000,
    rekey: true,
  }),
  log: killedLog(log, killer),
  directory: killedDirectory(directory, killer),
  config: {
    applicationId: 'killed',
    deadLetterTopic: 'readings.dlq',
    commitRecords: 400,
    commitIntervalMs: 20,
    stateFlushIntervalMs: 60,
    maxFutureSkewMs: null,
  },
  bounded: { flush: true },
})
app.events.subscribe((event) => {
  if (TOLD.includes(event.type)) process.stdout.write(`${JSON.stringify(event)}\n`)
})
await app.run()
await log.close()
