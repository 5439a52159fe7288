/**
 * The aggregator over many readings on the embedded log: readings a second from the first fetch to the last commit, and
 * the largest resident size of the process.
 *
 *     npm run bench [-- --readings 5000000 --sensors 1000 --runs 3 --dir .millrace-bench]
 *
 * The data is written once and kept; every run is a process of its own, so that memory is its own, with and without
 * duplicate detection in turn. Each run's results are checked: the counts of all windows add up to the readings.
 */
import { fork } from 'node:child_process'
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import {
  INGESTED_AT,
  LevelStateDirectory,
  openEmbeddedLog,
  partitionForKey,
  RecordBatchBuilder,
  RecordCursor,
  StreamsApp,
  type Log,
} from '../src/index.ts'
import { SENSOR_DEFAULTS, sensorTopology } from '../src/sensors/sensor-topology.ts'

const PARTITIONS = 4
const MINUTE_MS = 60_000
const START_MS = Date.UTC(2024, 0, 1)
const RECORDS_PER_TRANSACTION = 20_000

interface Measured {
  readonly readings: number
  readonly seconds: number
  readonly commits: number
  readonly commitMs: number
  readonly maxRssMb: number
  readonly cpuSeconds: number
}

const { values } = parseArgs({
  options: {
    readings: { type: 'string', default: '5000000' },
    sensors: { type: 'string', default: '1000' },
    runs: { type: 'string', default: '3' },
    dir: { type: 'string', default: '.millrace-bench' },
    measure: { type: 'string' },
  },
})
const readings = Number(values.readings)
const sensors = Number(values.sensors)
const directory = path.resolve(values.dir)
const logDirectory = path.join(directory, `log-${readings}-${sensors}`)

if (values.measure === undefined) await compare()
else process.send!(await measure(values.measure === 'deduplicate'))

async function compare(): Promise<void> {
  console.log(`${os.cpus()[0]?.model ?? 'unknown CPU'}, ${os.cpus().length} cores, Node ${process.version}`)
  if (!existsSync(logDirectory)) await writeReadings()
  const rows: Record<string, string>[] = []
  for (const mode of ['plain', 'deduplicate']) {
    const runs: Measured[] = []
    for (let run = 0; run < Number(values.runs); run++) runs.push(await measureInChild(mode))
    const rates = runs.map(({ seconds }) => readings / seconds).sort((a, b) => a - b)
    rows.push({
      'duplicate detection': mode === 'plain' ? 'off' : 'on',
      'readings/s (median)': format(rates[Math.floor(rates.length / 2)]!),
      'readings/s (range)': `${format(rates[0]!)} to ${format(rates[rates.length - 1]!)}`,
      'largest resident size': `${Math.max(...runs.map(({ maxRssMb }) => maxRssMb)).toFixed(0)} MB`,
      'CPU s per million': mean(runs.map(({ cpuSeconds }) => (cpuSeconds / readings) * 1e6)).toFixed(2),
      'ms per commit': mean(runs.map(({ commits, commitMs }) => commitMs / commits)).toFixed(1),
    })
  }
  console.table(rows)
}

function measureInChild(mode: string): Promise<Measured> {
  const args = [
    '--measure',
    mode,
    '--readings',
    String(readings),
    '--sensors',
    String(sensors),
    '--dir',
    directory,
  ]
  return new Promise((resolve, reject) => {
    const child = fork(process.argv[1]!, args)
    child.once('message', (message) => resolve(message as Measured))
    child.once('exit', (code) => reject(new Error(`the measuring process ended with ${code}`)))
  })
}

async function measure(deduplicate: boolean): Promise<Measured> {
  const log = await openEmbeddedLog({ directory: logDirectory })
  const applicationId = `bench-${process.pid}-${Date.now()}`
  const stateFolder = path.join(directory, 'state', applicationId)
  const state = await LevelStateDirectory.acquire(stateFolder)
  const topology = sensorTopology({
    ...SENSOR_DEFAULTS,
    windowMs: MINUTE_MS,
    advanceMs: MINUTE_MS,
    graceMs: 20_000,
    deduplicate,
    aggregatesTopic: `${applicationId}-aggregates`,
  })
  const app = new StreamsApp({
    topology,
    log,
    directory: state!,
    config: { applicationId },
    bounded: { flush: true },
  })
  let startedMs = 0
  let endedMs = 0
  let commits = 0
  let commitMs = 0
  app.events.subscribe((event) => {
    if (event.type === 'tasks-assigned') startedMs = performance.now()
    if (event.type !== 'committed') return
    endedMs = performance.now()
    commits++
    commitMs += event.durationMs
  })
  await app.run()
  const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage()
  await check(log, `${applicationId}-aggregates`)
  await removeTraces(log, applicationId)
  await log.close()
  await rm(stateFolder, { recursive: true })
  return {
    readings,
    seconds: (endedMs - startedMs) / 1000,
    commits,
    commitMs,
    maxRssMb: maxRSS / 1024,
    cpuSeconds: (userCPUTime + systemCPUTime) / 1e6,
  }
}

async function check(log: Log, topic: string): Promise<void> {
  let counted = 0
  const reader = log.reader()
  const cursor = new RecordCursor()
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const [end] = await log.offsets('stable', [{ topic, partition }])
    reader.assign({ topic, partition }, 0n)
    for (let position = 0n; position < end!;) {
      const { chunks } = await reader.poll(100)
      for (const chunk of chunks) {
        cursor.reset(chunk.batches)
        while (cursor.next()) counted += (JSON.parse(cursor.value()!.toString()) as { count: number }).count
        position = chunk.nextOffset
      }
    }
    reader.unassign({ topic, partition })
  }
  await reader.close()
  if (counted !== readings) throw new Error(`the windows hold ${counted} readings, not ${readings}`)
}

async function removeTraces(log: Log, applicationId: string): Promise<void> {
  const topics = await log.listTopics()
  await log.deleteTopics(topics.filter((topic) => topic.startsWith(applicationId)))
}

/** One reading a second of every sensor, as the generator writes them: JSON, keyed by sensor, with ingestion times. */
async function writeReadings(): Promise<void> {
  console.log(`writing ${format(readings)} readings to ${logDirectory}`)
  const log = await openEmbeddedLog({ directory: logDirectory })
  await log.createTopics([{ name: 'readings', partitions: PARTITIONS }])
  const producer = await log.producer({ transactionalId: 'bench' })
  const headers = [{ key: INGESTED_AT, value: Buffer.from(String(Date.now())) }]
  const partitions = Array.from({ length: sensors }, (_, sensor) =>
    partitionForKey(`sensor-${sensor}`, PARTITIONS),
  )
  for (let written = 0; written < readings;) {
    const builders = Array.from({ length: PARTITIONS }, () => new RecordBatchBuilder())
    for (let count = 0; count < RECORDS_PER_TRANSACTION && written < readings; count++, written++) {
      const sensor = written % sensors
      const timestamp = START_MS + Math.floor(written / sensors) * 1000
      const reading = {
        eventId: `sensor-${sensor}-${String(written).padStart(12, '0')}`,
        sensorId: `sensor-${sensor}`,
        timestamp,
        temperature: 50 + ((written * 7919) % 700) / 100,
      }
      builders[partitions[sensor]!]!.append(timestamp, reading.sensorId, JSON.stringify(reading), headers)
    }
    producer.begin()
    const batches = builders.map((records, partition) => ({ topic: 'readings', partition, records }))
    await producer.send(batches.filter(({ records }) => records.count > 0))
    await producer.commit()
  }
  await log.close()
}

function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0) / numbers.length
}

function format(number: number): string {
  return Math.round(number).toLocaleString('en-US')
}
