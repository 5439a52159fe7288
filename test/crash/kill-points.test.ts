/**
 * The crash table of the design, with real processes: one after the other is killed (SIGKILL) at every named point,
 * twice, on the same data directory; the next goes on. In the end the outputs are what an undisturbed process writes.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openEmbeddedLog } from '../../src/log/embedded/index.ts'
import { RecordBatchBuilder } from '../../src/log/record-batch-builder.ts'
import { partitionForKey } from '../../src/log/partitioner.ts'
import { ReadingGenerator } from '../../src/sensors/generator.ts'
import { KILL_POINTS, type KillPoint } from '../support/kill-points.ts'
import { readTopic } from '../support/read-topic.ts'

const PARTITIONS = 3
const OUTPUTS = ['aggregates', 'readings.late', 'readings.dlq'] as const
const RUN = path.resolve(import.meta.dirname, '../../dist/test/support/killed-run.js')

/** What a process does once only. */
const ONCE: readonly KillPoint[] = [
  'start: after the former owner was fenced',
  'start: before the ownership is committed',
  'start: after the ownership was committed',
]

interface Ended {
  readonly signal: string | undefined
  readonly code: number
  readonly events: readonly { readonly type: string; readonly [field: string]: unknown }[]
}

const folders: string[] = []

beforeAll(async () => {
  for (let count = 0; count < 2; count++) {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'millrace-kill-'))
    folders.push(folder)
    await writeReadings(path.join(folder, 'log'))
  }
})

afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true })
})

describe('a process that is killed', () => {
  it('at every point of starting, committing and flushing leaves the outputs of an undisturbed one', async () => {
    const [undisturbed, killed] = folders as [string, string]
    expect(await run(undisturbed)).toMatchObject({ code: 0 })

    const starts: Ended['events'][number][] = []
    let kills = 0
    for (const occurrence of [1, 2]) {
      for (const point of KILL_POINTS.flatMap((point) => [...preparationFor(point), point])) {
        const ended = await run(killed, point, String(ONCE.includes(point) ? 1 : occurrence))
        if (ended.signal === 'SIGKILL') kills++
        starts.push(...ended.events.filter(({ type }) => type === 'task-started'))
        expect(
          ended.events.filter(({ type }) => type === 'run-finished'),
          `killed too late: ${point}`,
        ).toEqual([])
      }
    }
    expect(await run(killed)).toMatchObject({ code: 0 })
    expect(kills).toBe(2 * KILL_POINTS.length + 2)

    // No state was removed, and what it lacked was little: the changelog's tail.
    expect(starts.filter(({ wipedBecause }) => wipedBecause !== undefined)).toEqual([])
    expect(starts.some(({ replayed }) => (replayed as number) > 0)).toBe(true)

    for (const topic of OUTPUTS) {
      expect(await outputsOf(killed, topic), topic).toEqual(await outputsOf(undisturbed, topic))
    }
  }, 240_000)
})

/** State can only be restored when the process before left it behind the changelog. */
function preparationFor(point: KillPoint): readonly KillPoint[] {
  const restores = point === 'start: after a batch of the changelog was restored'
  return restores ? ['commit: after it was decided, before it is applied'] : []
}

function run(folder: string, ...args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [RUN, folder, ...args], { maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      if (error !== null && error.signal !== 'SIGKILL') console.error(stderr)
      const events = stdout.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as never]))
      resolve({
        signal: error?.signal ?? undefined,
        code: typeof error?.code === 'number' ? error.code : 0,
        events,
      })
    })
  })
}

/** 40,000 readings with late, duplicate and corrupt ones, in many small batches; under random keys. */
async function writeReadings(directory: string): Promise<void> {
  const log = await openEmbeddedLog({ directory })
  await log.createTopics([{ name: 'readings', partitions: PARTITIONS }])
  const producer = await log.producer({ transactionalId: 'feeder' })
  const generator = new ReadingGenerator({
    sensors: 40,
    periodMs: 1_000,
    startMs: Date.UTC(2024, 0, 1),
    seed: 7,
    slots: 1_000,
    rates: { outOfRange: 0.05, missing: 0.05, late: 0.02, duplicate: 0.02, corrupt: 0.002 },
  })
  let builders = Array.from({ length: PARTITIONS }, () => new RecordBatchBuilder())
  let count = 0
  const send = async (): Promise<void> => {
    const batches = builders.map((records, partition) => ({ topic: 'readings', partition, records }))
    producer.begin()
    await producer.send(batches.filter(({ records }) => records.count > 0))
    await producer.commit()
    builders = Array.from({ length: PARTITIONS }, () => new RecordBatchBuilder())
  }
  for (const { key, value, timestampMs } of generator) {
    // Not by sensor: the application repartitions. Still the same for a duplicate, as a gateway would do.
    const partition = partitionForKey(`gateway of ${key}`, PARTITIONS)
    builders[partition]!.append(timestampMs, `gateway-${partition}`, value)
    if (++count % 1_000 === 0) await send()
  }
  await send()
  await log.close()
}

/** Key, value and timestamp of every record, by partition, in a canonical order; without the time of dying. */
async function outputsOf(folder: string, topic: string): Promise<readonly string[][]> {
  const log = await openEmbeddedLog({ directory: path.join(folder, 'log') })
  const records = await readTopic(log, topic)
  await log.close()
  return records.map((partition) =>
    partition.map(({ key, value, timestampMs, headers }) => {
      const kept = headers.filter(([name]) => name !== '__millrace.errors.time')
      return JSON.stringify({ key, value, timestampMs, headers: kept })
    }),
  )
}
