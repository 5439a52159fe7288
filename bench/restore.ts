/**
 * How fast a task's state comes back from its changelog onto the disk: changelog records a second.
 *
 *     npm run build && node dist/bench/restore.js [--records 1000000 --runs 3 --brokers 127.0.0.1:9092 --dir
 * .millrace-bench]
 *
 * On the embedded log, or with `--brokers` on Kafka. Three changelogs of the same size, with keys as the sensor
 * application has them (window and one of 1,000 sensors): ten versions of each key while its window is open; ten
 * versions with all keys in turn, the worst case; and each key once. Each run restores into an empty folder, and its
 * result is checked.
 */
import { rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import {
  LevelStateDirectory,
  openEmbeddedLog,
  openKafkaLog,
  RecordBatchBuilder,
  type Log,
} from '../src/index.ts'
import { systemClock } from '../src/clock.ts'
import { restoreState } from '../src/runtime/restore.ts'

const STORE = 'statistics'
/** As a statistics entry of the sensor application has them: window and sensor; a few numbers. */
const VALUE_BYTES = 64
const BATCH_RECORDS = 2_000
const BATCHES_PER_TRANSACTION = 10
const START_MS = Date.UTC(2024, 0, 1)
const SENSORS = 1_000
/** A prime: sensors come in an order of their own, not that of their names. */
const STRIDE = 7_919

interface Shape {
  readonly name: string
  readonly versions: number
  /** Which of the keys the record of this number belongs to. */
  readonly keyOf: (record: number) => number
}

const SHAPES: readonly Shape[] = [
  { name: '10 versions a key', versions: 10, keyOf: whileOpen },
  { name: '10 versions a key, all in turn', versions: 10, keyOf: (record) => record % (records / 10) },
  { name: 'unique keys', versions: 1, keyOf: (record) => record },
]

/** All sensors in turn, ten times, then the next window. */
function whileOpen(record: number): number {
  const window = Math.floor(record / (10 * SENSORS))
  return window * SENSORS + (record % SENSORS)
}

const { values } = parseArgs({
  options: {
    records: { type: 'string', default: '1000000' },
    runs: { type: 'string', default: '3' },
    brokers: { type: 'string' },
    dir: { type: 'string', default: '.millrace-bench' },
  },
})
/** A multiple of ten times the sensors. */
const records = Number(values.records)
const directory = path.resolve(values.dir)

const log = await openLog()
console.log(`${os.cpus()[0]?.model ?? 'unknown CPU'}, ${os.cpus().length} cores, Node ${process.version}`)
const rows: Record<string, string>[] = []
for (const shape of SHAPES) {
  const topic = `bench-restore-${process.pid}-${rows.length}`
  await writeChangelog(topic, shape)
  const rates: number[] = []
  for (let run = 0; run < Number(values.runs); run++) rates.push(records / (await restore(topic, shape)))
  rates.sort((a, b) => a - b)
  rows.push({
    changelog: shape.name,
    'records/s (median)': format(rates[Math.floor(rates.length / 2)]!),
    'records/s (range)': `${format(rates[0]!)} to ${format(rates.at(-1)!)}`,
  })
  await log.deleteTopics([topic])
}
console.table(rows)
await log.close()
await rm(path.join(directory, 'restore-log'), { recursive: true, force: true })

function openLog(): Promise<Log> {
  const { brokers } = values
  if (brokers !== undefined) return openKafkaLog({ brokers: brokers.split(',') })
  return openEmbeddedLog({ directory: path.join(directory, 'restore-log') })
}

/** Not compacted, so that every run reads the same records. */
async function writeChangelog(topic: string, shape: Shape): Promise<void> {
  await log.createTopics([{ name: topic, partitions: 1, settings: { retentionMs: -1 } }])
  const producer = await log.producer({ transactionalId: topic, transactionTimeoutMs: 60_000 })
  for (let written = 0; written < records;) {
    producer.begin()
    for (let batch = 0; batch < BATCHES_PER_TRANSACTION && written < records; batch++) {
      const builder = new RecordBatchBuilder()
      for (let count = 0; count < BATCH_RECORDS && written < records; count++, written++) {
        const number = shape.keyOf(written)
        const sensor = ((number % SENSORS) * STRIDE) % SENSORS
        const key = Buffer.alloc(20)
        key.writeBigInt64BE(BigInt(START_MS + Math.floor(number / SENSORS) * 60_000))
        key.write(`sensor-${String(sensor).padStart(5, '0')}`, 8)
        builder.append(START_MS, key, Buffer.alloc(VALUE_BYTES, written))
      }
      await producer.send([{ topic, partition: 0, records: builder }])
    }
    await producer.commit()
  }
  await producer.close()
}

/** Seconds of one restore. */
async function restore(topic: string, { versions }: Shape): Promise<number> {
  const folder = path.join(directory, `restore-state-${process.pid}`)
  const state = await LevelStateDirectory.acquire(folder)
  const description = (await log.describeTopics([topic])).get(topic)!
  const place = { topic, partition: 0 }
  const [start] = await log.offsets('start', [place])
  const [end] = await log.offsets('end', [place])
  let steps = 0
  const startedMs = performance.now()
  const { backend, replayed } = await restoreState({
    log,
    clock: systemClock,
    directory: state!,
    task: '0_0',
    changelogs: [{ ...place, store: STORE, description, start: start!, end: end! }],
    latest: undefined,
    fingerprint: {},
    onProgress: () => void steps++,
  })
  const seconds = (performance.now() - startedMs) / 1_000
  let entries = 0
  for await (const page of backend.scan()) entries += page.length
  await backend.close()
  await state!.close()
  await rm(folder, { recursive: true })
  const wrong = replayed !== records || entries !== records / versions || steps === 0
  if (wrong) throw new Error(`${replayed} records gave ${entries} entries in ${steps} steps`)
  return seconds
}

function format(number: number): string {
  return Math.round(number).toLocaleString('en-US')
}
