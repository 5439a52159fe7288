import { describe, expect, it } from 'vitest'
import { createInMemoryLog } from '../../../src/log/embedded/index.ts'
import { RecordBatchBuilder } from '../../../src/log/record-batch-builder.ts'
import { RecordCursor } from '../../../src/log/record-cursor.ts'
import { doesAll, openRun, type BoundedRun } from '../../../src/runtime/bounded-run.ts'
import { StreamsApp } from '../../../src/runtime/streams-app.ts'
import { Serdes } from '../../../src/serde/serdes.ts'
import { MemoryStateDirectory } from '../../../src/state/memory-directory.ts'
import { SimulatedClock } from '../../../src/testing/index.ts'
import { TimeWindows } from '../../../src/time/windows.ts'
import { StreamsBuilder } from '../../../src/topology/streams-builder.ts'

const SOURCES = [
  { topic: 'in', partition: 0 },
  { topic: 'in', partition: 1 },
]
const TASKS = SOURCES.map(({ partition }) => ({ subTopology: 0, partition }))

/** Counts in windows of 10 ms. */
function topology() {
  const builder = new StreamsBuilder()
  builder
    .stream('in', { key: Serdes.string(), value: Serdes.string() })
    .groupByKey()
    .windowedBy(TimeWindows.ofSizeWithNoGrace(10))
    .count()
    .toStream(({ key, window }) => `${key}@${window.startMs}`)
    .to('out', { key: Serdes.string(), value: Serdes.json<number>() })
  return builder.build()
}

class Rig {
  readonly clock = new SimulatedClock()
  readonly log = createInMemoryLog({ clock: this.clock })
  readonly runs: number[] = []

  async create(): Promise<this> {
    await this.drive(this.log.createTopics([{ name: 'in', partitions: 2 }]))
    return this
  }

  app(flush: boolean): StreamsApp {
    const { clock, log } = this
    const app = new StreamsApp({
      topology: topology(),
      config: { applicationId: 'a', maxFutureSkewMs: null },
      log,
      directory: new MemoryStateDirectory('rig'),
      clock,
      bounded: { flush },
    })
    app.events.subscribe((event) => {
      if (event.type === 'run-finished') this.runs.push(event.run)
    })
    return app
  }

  async write(partition: number, ...timesMs: readonly number[]): Promise<void> {
    const producer = await this.drive(this.log.producer({ transactionalId: 'test' }))
    const records = new RecordBatchBuilder()
    for (const timeMs of timesMs) records.append(timeMs, `k${partition}`, 'v')
    producer.begin()
    await this.drive(producer.send([{ topic: 'in', partition, records }]))
    await this.drive(producer.commit())
    await this.drive(producer.close())
  }

  /** Results as `key=count`, sorted. */
  async results(): Promise<readonly string[]> {
    const reader = this.log.reader()
    for (const { partition } of SOURCES) reader.assign({ topic: 'out', partition }, 0n)
    const found: string[] = []
    const cursor = new RecordCursor()
    const { chunks } = await this.drive(reader.poll(10))
    for (const { batches } of chunks) {
      cursor.reset(batches)
      while (cursor.next()) found.push(`${cursor.key()!.toString()}=${cursor.value()!.toString()}`)
    }
    await this.drive(reader.close())
    return found.sort()
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

/** An instance began a run to the present end, and was killed before it worked anything. */
async function leaveRunOpen(rig: Rig): Promise<BoundedRun> {
  await rig.drive(rig.app(false).run())
  await rig.write(0, 11)
  const spec = { log: rig.log, applicationId: 'a', topicPrefix: 'a', tasks: TASKS, sources: SOURCES }
  return rig.drive(openRun(spec, { flush: false }))
}

describe('a bounded run that finds one open', () => {
  it('finishes that one, and then does what it was started for: all input there is, and the flush', async () => {
    const rig = await new Rig().create()
    await rig.write(0, 1)
    const open = await leaveRunOpen(rig)
    await rig.write(0, 12, 25)
    await rig.write(1, 3)
    await rig.drive(rig.app(true).run())
    expect(rig.runs).toEqual([1, open.run, open.run + 1])
    expect(await rig.results()).toEqual(['k0@0=1', 'k0@10=2', 'k0@20=1', 'k1@0=1'])
  })

  it('ends with it where that is all there is to do', async () => {
    const rig = await new Rig().create()
    await rig.write(0, 1)
    const open = await leaveRunOpen(rig)
    await rig.drive(rig.app(false).run())
    expect(rig.runs).toEqual([1, open.run])
  })

  it('is finished by two instances together, before the one run that both were started for', async () => {
    const rig = await new Rig().create()
    await rig.write(0, 1)
    await rig.write(1, 1)
    await leaveRunOpen(rig)
    await rig.write(1, 14)
    const runs = [rig.app(true), rig.app(true)].map((app) => app.run())
    await rig.drive(Promise.all(runs))
    expect(rig.runs.filter((run) => run === 3)).toHaveLength(2)
    expect(await rig.results()).toEqual(['k0@0=1', 'k0@10=1', 'k1@0=1', 'k1@10=1'])
  })
})

describe('doesAll', () => {
  const run = (flush: boolean): BoundedRun => {
    return { formatVersion: 1, run: 1, flush, ends: { 'in/0': '5', 'in/1': '7' } }
  }
  const ends = (first: bigint, second: bigint) => [
    { topic: 'in', partition: 0, offset: first },
    { topic: 'in', partition: 1, offset: second },
  ]

  it.each([
    { what: 'the same ends', flush: false, asked: false, at: ends(5n, 7n), expected: true },
    { what: 'earlier ends', flush: false, asked: false, at: ends(4n, 7n), expected: true },
    { what: 'a later end of one partition', flush: false, asked: false, at: ends(4n, 8n), expected: false },
    { what: 'a flush it does not have', flush: false, asked: true, at: ends(5n, 7n), expected: false },
    { what: 'no flush although it has one', flush: true, asked: false, at: ends(5n, 7n), expected: true },
  ])('is $expected for $what', ({ flush, asked, at, expected }) => {
    expect(doesAll(run(flush), asked, at)).toBe(expected)
  })
})
