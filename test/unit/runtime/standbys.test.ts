import { describe, expect, it } from 'vitest'
import { createInMemoryBroker, EmbeddedLog } from '../../../src/log/embedded/index.ts'
import { RecordBatchBuilder } from '../../../src/log/record-batch-builder.ts'
import type { Application } from '../../../src/runtime/application.ts'
import { decodeCheckpoint, encodeCheckpoint } from '../../../src/runtime/checkpoint.ts'
import { COMMIT_KEYS, encodeEntry, type CommitEntry } from '../../../src/runtime/commit-entry.ts'
import { parseConfig } from '../../../src/runtime/config.ts'
import { EventBus, type StreamsEvent } from '../../../src/runtime/events.ts'
import { Standbys } from '../../../src/runtime/standbys.ts'
import { Serdes } from '../../../src/serde/serdes.ts'
import type { StateDirectory } from '../../../src/state/backend.ts'
import { MemoryStateDirectory } from '../../../src/state/memory-directory.ts'
import { SeededRandom, SimulatedClock } from '../../../src/testing/index.ts'
import { StreamsBuilder } from '../../../src/topology/streams-builder.ts'

const TASK = { subTopology: 0, partition: 0 }
const COMMITS = { topic: 'a-commits-0', partition: 0 }
const FINGERPRINT = { 'window (ms)': '10' }
const FLUSH_MS = 60_000

function topology() {
  const builder = new StreamsBuilder()
  const stream = builder.stream('in', { key: Serdes.string(), value: Serdes.string() })
  stream.groupByKey().count().toStream().to('out', { key: Serdes.string(), value: Serdes.json<number>() })
  return builder.build()
}

/** A task's changelog and commit log, written by whoever owns it, and an instance that keeps copies. */
class Rig {
  readonly clock = new SimulatedClock()
  readonly directory = new MemoryStateDirectory('rig')
  readonly events: StreamsEvent[] = []
  readonly log: EmbeddedLog
  readonly changelog: { topic: string; partition: number }
  readonly standbys: Standbys
  /** Entries in each write of the copies. */
  readonly writes: number[] = []
  private producers = 0

  constructor(markerDelayMs = 0) {
    const { clock } = this
    const random = new SeededRandom(1)
    const delay = markerDelayMs > 0 ? { markerDelayMs: () => markerDelayMs } : {}
    const broker = createInMemoryBroker({ clock, random, ...delay })
    this.log = new EmbeddedLog({ connection: broker.connect(), clock, random, verifyChecksums: false })
    const built = topology()
    this.changelog = { topic: `a-${built.subTopologies[0]!.stores[0]!}-changelog`, partition: 0 }
    const events = new EventBus()
    events.events.subscribe((event) => this.events.push(event))
    this.standbys = new Standbys({
      log: this.log,
      clock,
      topology: built,
      config: parseConfig({ applicationId: 'a', stateFlushIntervalMs: FLUSH_MS, standbys: 1 }),
      topicPrefix: 'a',
      directory: this.counted(),
      fingerprint: FINGERPRINT,
      events,
    } as Partial<Application> as Application)
  }

  async begin(): Promise<this> {
    const settings = { cleanup: 'compact' } as const
    const topics = [COMMITS.topic, this.changelog.topic].map((name) => ({ name, partitions: 1, settings }))
    await this.drive(this.log.createTopics(topics))
    return this
  }

  /** Commits so many entries of the store, and a commit entry. */
  async commit(commitId: number, keys: number, valueBytes = 1): Promise<void> {
    const producer = await this.drive(this.log.producer({ transactionalId: `p${this.producers++}` }))
    producer.begin()
    const perBatch = valueBytes > 1_000 ? 1 : 1_000
    for (let done = 0; done < keys; done += perBatch) {
      const records = new RecordBatchBuilder()
      for (let key = done; key < Math.min(keys, done + perBatch); key++) {
        records.append(0, `k${key}`, Buffer.alloc(valueBytes, 'x'))
      }
      await this.drive(producer.send([{ ...this.changelog, records }]))
    }
    const records = new RecordBatchBuilder()
    const entry: Partial<CommitEntry> = { formatVersion: 1, commitId, offsets: {}, changelogs: {} }
    records.append(0, COMMIT_KEYS.latest, encodeEntry(entry))
    await this.drive(producer.send([{ ...COMMITS, records }]))
    await this.drive(producer.commit())
  }

  /** Leaves state on disk as of a commit, of a topology. */
  async store(commitId: number, fingerprint = FINGERPRINT): Promise<void> {
    const described = await this.drive(this.log.describeTopics([this.changelog.topic]))
    const position = { topicId: described.get(this.changelog.topic)!.topicId, offset: '0' }
    const store = this.changelog.topic.slice('a-'.length, -'-changelog'.length)
    const changelogs = { [store]: position }
    const checkpoint = {
      formatVersion: 1,
      commitId,
      changelogs,
      fingerprint,
      writtenAtMs: this.clock.now(),
    } as const
    const backend = await this.directory.open('0_0')
    await backend.write([], encodeCheckpoint(checkpoint))
    await backend.close()
  }

  /** The checkpoint on disk, which must not be open. */
  async checkpoint() {
    const backend = await this.directory.open('0_0')
    const stored = backend.checkpoint()
    await backend.close()
    return stored === undefined ? undefined : decodeCheckpoint(stored)
  }

  typesOf(): readonly string[] {
    return this.events.map(({ type }) => type)
  }

  async drive<T>(work: Promise<T>): Promise<T> {
    let ended = false
    const watched = work.finally(() => (ended = true))
    watched.catch(() => undefined)
    await this.clock.runUntilIdle()
    for (let ms = 0; !ended && ms < 60_000; ms++) await this.clock.advance(1)
    return watched
  }

  private counted(): StateDirectory {
    const { directory, writes } = this
    return {
      location: directory.location,
      wipe: (task) => directory.wipe(task),
      tasks: () => directory.tasks(),
      close: () => directory.close(),
      async open(task) {
        const backend = await directory.open(task)
        return {
          getSync: (key) => backend.getSync(key),
          checkpoint: () => backend.checkpoint(),
          scan: (from, to) => backend.scan(from, to),
          approximateBytes: () => backend.approximateBytes(),
          close: () => backend.close(),
          write(entries, checkpoint) {
            writes.push(entries.length)
            return backend.write(entries, checkpoint)
          },
        }
      },
    }
  }
}

describe('standby copies', () => {
  it('write what they hold when they are given up, at the position they have reached', async () => {
    const rig = await new Rig().begin()
    await rig.commit(1, 10)
    rig.standbys.keep([TASK])
    await rig.clock.advance(1_000)
    expect(rig.standbys.names).toEqual({ all: ['0_0'], caughtUp: ['0_0'] })
    expect(rig.writes).toEqual([])
    const [progress] = rig.standbys.progress
    await rig.drive(rig.standbys.reduceTo([]))
    expect(rig.writes).toEqual([10])
    expect(rig.standbys.names.all).toEqual([])
    const { commitId, changelogs } = (await rig.checkpoint())!
    expect(commitId).toBe(-1)
    expect(Object.values(changelogs)).toMatchObject([{ offset: String(progress!.position) }])
    await rig.drive(rig.standbys.close())
  })

  it.each([
    ['entries', 120_000, 1, 60_000],
    ['bytes', 30, 900_000, 12],
  ])(
    'hold no more than a limited number of %s, however rarely they may write',
    async (_what, keys, bytes, most) => {
      const rig = await new Rig().begin()
      await rig.commit(1, keys, bytes)
      rig.standbys.keep([TASK])
      await rig.clock.advance(FLUSH_MS / 2)
      expect(rig.standbys.names.caughtUp).toEqual(['0_0'])
      expect(rig.writes.length).toBeGreaterThan(0)
      expect(Math.max(...rig.writes)).toBeLessThanOrEqual(most)
      await rig.drive(rig.standbys.close())
      expect(rig.writes.reduce((sum, count) => sum + count, 0)).toBe(keys)
    },
  )

  it('keep the state of a commit that is decided and not visible yet', async () => {
    const rig = await new Rig(3_000).begin()
    await rig.commit(7, 3)
    await rig.store(7)
    rig.standbys.keep([TASK])
    await rig.clock.advance(1_000)
    // Whether the state is beyond the newest commit, nobody can say yet.
    expect(rig.typesOf()).toEqual([])
    await rig.clock.advance(5_000)
    expect(rig.events).toEqual([{ type: 'standby-started', task: '0_0', wipedBecause: undefined }])
    await rig.drive(rig.standbys.close())
  })

  it('are made anew where the state is of a commit that never was', async () => {
    const rig = await new Rig().begin()
    await rig.commit(7, 3)
    await rig.store(8)
    rig.standbys.keep([TASK])
    await rig.clock.advance(1_000)
    expect(rig.events).toMatchObject([
      {
        type: 'standby-started',
        wipedBecause: expect.stringContaining('beyond the newest commit') as string,
      },
    ])
    await rig.drive(rig.standbys.close())
    expect(rig.writes).toEqual([3])
  })

  it('leave state of another topology alone, and say so again and again but ever more rarely', async () => {
    const rig = await new Rig().begin()
    await rig.commit(7, 3)
    await rig.store(7, { 'window (ms)': '20' })
    rig.standbys.keep([TASK])
    await rig.clock.advance(60_000)
    expect(rig.events.length).toBeGreaterThan(2)
    expect(rig.events.length).toBeLessThan(12)
    expect(rig.events[0]).toMatchObject({ type: 'standby-failed', task: '0_0', code: 'STATE_MISMATCH' })
    await rig.drive(rig.standbys.close())
    expect((await rig.checkpoint())!.commitId).toBe(7)
  })

  it('that are given up before they are open never open', async () => {
    const rig = await new Rig(3_000).begin()
    await rig.commit(1, 3)
    rig.standbys.keep([TASK])
    await rig.clock.advance(500)
    const given = rig.standbys.reduceTo([])
    await rig.clock.runUntilIdle()
    await given
    await rig.clock.advance(10_000)
    expect(rig.typesOf()).toEqual([])
    expect(await rig.directory.tasks()).toEqual([])
    rig.standbys.keep([TASK])
    await rig.clock.advance(1_000)
    expect(rig.typesOf()).toEqual(['standby-started'])
    await rig.drive(rig.standbys.close())
  })
})
