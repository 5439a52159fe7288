import { afterEach, describe, expect, it } from 'vitest'
import { createInMemoryLog } from '../../../src/log/embedded/index.ts'
import { RecordBatchBuilder } from '../../../src/log/record-batch-builder.ts'
import { StreamsApp } from '../../../src/runtime/streams-app.ts'
import type { TaskProgress } from '../../../src/runtime/task-progress.ts'
import { Serdes } from '../../../src/serde/serdes.ts'
import { MemoryStateDirectory } from '../../../src/state/memory-directory.ts'
import { SimulatedClock } from '../../../src/testing/index.ts'
import { TimeWindows } from '../../../src/time/windows.ts'
import { StreamsBuilder } from '../../../src/topology/streams-builder.ts'

const COMMIT_MS = 1_000
const IDLE_MS = 5_000

/** Counts by the value, in windows of 10 ms: a task in front of a repartition and one behind it. */
function topology() {
  const builder = new StreamsBuilder()
  builder
    .stream('in', { key: Serdes.string(), value: Serdes.string() })
    .groupBy((_key, value) => value, { name: 'by-value', key: Serdes.string(), value: Serdes.string() })
    .windowedBy(TimeWindows.ofSizeWithNoGrace(10))
    .count()
    .toStream(({ key, window }) => `${key}@${window.startMs}`)
    .to('out', { key: Serdes.string(), value: Serdes.json<number>() })
  return builder.build()
}

class Rig {
  readonly clock = new SimulatedClock()
  readonly log = createInMemoryLog({ clock: this.clock })
  private app: StreamsApp | undefined
  private readonly directory = new MemoryStateDirectory('rig')

  async start(): Promise<void> {
    const { clock, log, directory } = this
    this.app = new StreamsApp({
      topology: topology(),
      config: {
        applicationId: 'a',
        commitIntervalMs: COMMIT_MS,
        idleTimeoutMs: IDLE_MS,
        maxFutureSkewMs: null,
      },
      log,
      directory,
      clock,
    })
    let assigned = false
    this.app.events.subscribe(({ type }) => (assigned ||= type === 'tasks-assigned'))
    const running = this.app.run()
    running.catch(() => undefined)
    for (let ms = 0; !assigned && ms < 10_000; ms++) await clock.advance(1)
  }

  async stop(): Promise<void> {
    await this.drive(this.app?.stop() ?? Promise.resolve())
  }

  /** Of a task; its inputs by topic. */
  of(name: string): TaskProgress {
    const found = this.app?.progress.find(({ task }) => task === name)
    if (found === undefined) throw new Error(`no task ${name}`)
    return found
  }

  async write(...records: readonly (readonly [string, number])[]): Promise<void> {
    const producer = await this.drive(this.log.producer({ transactionalId: 'test' }))
    const batch = new RecordBatchBuilder()
    for (const [value, timestampMs] of records)
      batch.append(timestampMs, Buffer.from('k'), Buffer.from(value))
    producer.begin()
    await this.drive(producer.send([{ topic: 'in', partition: 0, records: batch }]))
    await this.drive(producer.commit())
    await this.drive(producer.close())
  }

  async drive<T>(work: Promise<T>): Promise<T> {
    let ended = false
    const watched = work.finally(() => (ended = true))
    watched.catch(() => undefined)
    await this.clock.runUntilIdle()
    for (let ms = 0; !ended && ms < 60_000; ms++) await this.clock.advance(1)
    return watched
  }
}

describe('the progress of a task', () => {
  let rig: Rig

  async function started(): Promise<Rig> {
    rig = new Rig()
    await rig.drive(rig.log.createTopics([{ name: 'in', partitions: 1 }]))
    await rig.start()
    return rig
  }

  afterEach(() => rig.stop())

  it('is nothing before the first record', async () => {
    await started()
    expect(rig.of('0_0')).toMatchObject({ state: 'running', worked: 0, openWindows: 0, counts: {} })
    expect(rig.of('0_0').inputs).toEqual([
      { topic: 'in', partition: 0, offset: 0n, runEnd: undefined, watermarkMs: -Infinity, idle: false },
    ])
    expect(rig.of('1_0').inputs).toMatchObject([{ topic: 'a-by-value-repartition', watermarkMs: -Infinity }])
  })

  it('counts what is committed only, and knows at once what is worked', async () => {
    await started()
    await rig.write(['x', 5])
    await rig.clock.advance(3 * COMMIT_MS + COMMIT_MS / 2)
    await rig.write(['x', 25])
    await rig.clock.advance(COMMIT_MS / 10)
    // Two records since the interval was over: one begins a commit, the other waits for the next.
    const { commitId } = rig.of('0_0')
    await rig.write(['y', 7])
    await rig.clock.advance(COMMIT_MS / 10)
    expect(rig.of('0_0')).toMatchObject({ worked: 3, watermarkMs: 25, commitId, counts: { consumed: 2 } })
    await rig.clock.advance(3 * COMMIT_MS)
    expect(rig.of('0_0').commitId).toBeGreaterThan(commitId)
    expect(rig.of('0_0').counts).toMatchObject({ consumed: 3 })
    // Behind the repartition: 7 is late behind 25, 5 has had its result, 25 waits in its window.
    expect(rig.of('1_0')).toMatchObject({ openWindows: 1, counts: { consumed: 3, late: 1, results: 1 } })
    expect(rig.of('1_0').inputs).toMatchObject([{ watermarkMs: 25, idle: false }])
  })

  it('goes on from the last commit of whoever had the task before', async () => {
    await started()
    await rig.write(['x', 5], ['x', 25])
    await rig.clock.advance(3 * COMMIT_MS)
    const before = rig.of('1_0')
    await rig.stop()
    await rig.start()
    const { worked, counts, commitId, openWindows } = rig.of('1_0')
    expect({ worked, counts, openWindows }).toEqual({ worked: 0, counts: before.counts, openWindows: 1 })
    expect(commitId).toBeGreaterThanOrEqual(before.commitId)
    await rig.write(['x', 26])
    await rig.clock.advance(3 * COMMIT_MS)
    expect(rig.of('1_0').counts).toEqual({ ...before.counts, consumed: 3 })
  })

  it('says which input is silent, until something comes', async () => {
    await started()
    await rig.write(['x', 5])
    await rig.clock.advance(IDLE_MS / 2)
    expect(rig.of('0_0').inputs).toMatchObject([{ idle: false }])
    await rig.clock.advance(IDLE_MS)
    expect(rig.of('0_0').inputs).toMatchObject([{ idle: true, watermarkMs: 5 }])
    await rig.write(['x', 6])
    await rig.clock.advance(20)
    expect(rig.of('0_0').inputs).toMatchObject([{ idle: false, watermarkMs: 6 }])
  })
})
