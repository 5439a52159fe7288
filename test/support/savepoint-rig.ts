/** Several instances of an application on one log in memory, on the real clock, with savepoints in a folder. */
import { setTimeout } from 'node:timers/promises'
import { systemClock, systemRandom } from '../../src/clock.ts'
import { createSavepoint, type CreateSpec } from '../../src/jobs/savepoint/create.ts'
import { restoreInto } from '../../src/jobs/savepoint/restore.ts'
import type { Savepoint } from '../../src/jobs/savepoint/savepoint-folder.ts'
import { createInMemoryBroker, EmbeddedLog } from '../../src/log/embedded/index.ts'
import { RecordBatchBuilder } from '../../src/log/record-batch-builder.ts'
import { StreamsApp } from '../../src/runtime/streams-app.ts'
import { Serdes } from '../../src/serde/serdes.ts'
import { MemoryStateDirectory } from '../../src/state/memory-directory.ts'
import { TimeWindows } from '../../src/time/windows.ts'
import { StreamsBuilder } from '../../src/topology/streams-builder.ts'
import type { Topology } from '../../src/topology/topology.ts'
import { Stores } from '../../src/topology/stores.ts'
import type { StreamsEvent } from '../../src/runtime/events.ts'
import type { Log, TopicPartition } from '../../src/log/log.ts'
import { readTopic, type ReadRecord } from './read-topic.ts'

export const APPLICATION = 'app'
export const PARTITIONS = 3
const WINDOW_MS = 1_000

/**
 * in → (by the value's room, repartitioned) → texts joined window by window, which depends on the order, so that
 * records of a partition that is ahead are held → out; beside it a store whose entries expire.
 */
export function orderedTopology(windowMs = WINDOW_MS): Topology {
  const builder = new StreamsBuilder()
  builder.addStateStore(
    Stores.keyValueStore({
      name: 'seen',
      key: Serdes.string(),
      value: Serdes.double(),
      ttlMs: 5_000,
      ranges: false,
    }),
  )
  builder
    .stream<string, string>('in', { name: 'in', key: Serdes.string(), value: Serdes.string() })
    .processValues<string>(
      () => ({
        process({ value }, context) {
          context.keyValueStore<string, number>('seen').put(value, value.length)
          context.forward(value)
        },
      }),
      { name: 'remember', stores: ['seen'] },
    )
    .selectKey((_key, value) => value.slice(0, 1), { name: 'room' })
    .repartition({ name: 'by-room', key: Serdes.string(), value: Serdes.string() })
    .groupByKey({ key: Serdes.string(), value: Serdes.string() })
    .windowedBy(TimeWindows.ofSizeAndGrace(windowMs, 200))
    .reduce((a, b) => `${a},${b}`, { name: 'joined', value: Serdes.string() })
    .toStream()
    .map(({ key, window }, value) => [key, `${window.startMs}:${value}`], { name: 'told' })
    .to('out', { name: 'out', key: Serdes.string(), value: Serdes.string() })
  return builder.build()
}

/** The log, but for what `changes` does instead. */
export function changedLog(log: Log, changes: Partial<Log>): Log {
  return new Proxy(log, {
    get(target, name) {
      const value: unknown = Reflect.get(changes, name) ?? Reflect.get(target, name, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

/** An instance that was started. */
export interface RigInstance {
  readonly app: StreamsApp
  readonly events: StreamsEvent[]
  readonly ended: Promise<unknown>
}

export class SavepointRig {
  readonly root: string
  readonly log: Log
  readonly instances: RigInstance[] = []
  readonly topology: Topology
  private readonly connect: () => Log
  /** A way to the same topics that can be killed. */
  readonly anotherLog: () => EmbeddedLog
  private readonly sessionTimeoutMs: number
  private fed = 0
  private disks = 0

  /** Without `shared`, a log in memory of its own. */
  constructor(root: string, shared?: Log) {
    this.root = root
    this.topology = orderedTopology()
    const chance = { clock: systemClock, random: systemRandom }
    const broker = createInMemoryBroker(chance)
    this.anotherLog = () =>
      new EmbeddedLog({ connection: broker.connect(), ...chance, verifyChecksums: false })
    // A broker takes no less.
    this.sessionTimeoutMs = shared === undefined ? 900 : 6_000
    this.connect = () => shared ?? this.anotherLog()
    this.log = this.connect()
  }

  async open(): Promise<void> {
    await this.log.createTopics([
      { name: 'in', partitions: PARTITIONS },
      { name: 'out', partitions: PARTITIONS },
    ])
  }

  start(applicationId = APPLICATION, log: Log = this.connect()): RigInstance {
    const app = new StreamsApp({
      topology: this.topology,
      config: {
        applicationId,
        commitIntervalMs: 20,
        sessionTimeoutMs: this.sessionTimeoutMs,
        idleTimeoutMs: null,
        maxFutureSkewMs: null,
        transactionTimeoutMs: 2_000,
      },
      log,
      directory: new MemoryStateDirectory(`disk ${this.disks++}`),
    })
    const events: StreamsEvent[] = []
    app.events.subscribe((event) => events.push(event))
    const ended = app.run().catch((error: unknown) => error)
    const instance = { app, events, ended }
    this.instances.push(instance)
    return instance
  }

  async stopAll(): Promise<void> {
    await Promise.all(this.instances.splice(0).map(({ app }) => app.stop()))
  }

  async close(): Promise<void> {
    await this.stopAll()
    await this.log.close()
  }

  /** Writes `count` more readings, the same ones in every run: partition 0 is ahead of the others in event time. */
  async feed(count: number): Promise<void> {
    const batches = Array.from({ length: PARTITIONS }, () => new RecordBatchBuilder())
    for (let index = this.fed; index < this.fed + count; index++) {
      const partition = index % PARTITIONS
      const timestampMs = index * 7 + (partition === 0 ? 3_000 : 0)
      batches[partition]!.append(timestampMs, `k${partition}`, `${'abcdefg'[(index * 5) % 7]!}${index}`)
    }
    this.fed += count
    const producer = await this.log.producer({ transactionalId: 'feeder' })
    producer.begin()
    await producer.send(batches.map((records, partition) => ({ topic: 'in', partition, records })))
    await producer.commit()
    await producer.close()
  }

  /** Waits until everything that is in the log is read and what can be worked is committed. */
  async settled(): Promise<void> {
    for (let quiet = 0; quiet < 3; quiet = (await this.isSettled()) ? quiet + 1 : 0) await setTimeout(25)
  }

  /** Waits for a condition. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await setTimeout(5)
  }

  create(spec: Partial<CreateSpec> & { readonly name: string }): Promise<Savepoint> {
    return createSavepoint({
      log: this.log,
      clock: systemClock,
      applicationId: APPLICATION,
      root: this.root,
      openScratch: () => Promise.resolve(new MemoryStateDirectory('scratch')),
      sessionTimeoutMs: this.sessionTimeoutMs,
      ...spec,
    })
  }

  restore(savepoint: Savepoint, applicationId = APPLICATION, topology = this.topology): Promise<number> {
    return restoreInto({ log: this.log, clock: systemClock }, savepoint, { applicationId, topology })
  }

  /** What was published, by partition, without the offsets. */
  async published(): Promise<readonly (readonly Omit<ReadRecord, 'offset'>[])[]> {
    const partitions = await readTopic(this.log, 'out')
    return partitions.map((records) => records.map(({ offset: _offset, ...record }) => record))
  }

  private async isSettled(): Promise<boolean> {
    const found = new Set<string>()
    for (const { app } of this.instances) {
      if (!app.isQuiet) return false
      for (const [name, running] of app.tasks) {
        found.add(name)
        if (running.task.hasChanges || running.task.state !== 'running') return false
        for (const { offset, ...partition } of running.fetchOffsets()) {
          const [end] = await this.log.offsets('end', [partition as TopicPartition])
          if (end !== offset) return false
        }
      }
    }
    return found.size === 2 * PARTITIONS
  }
}
