/** Runs a topology in a test: production tasks, the in-memory log, several partitions, a clock in the test's hand. */
import { createInMemoryBroker, EmbeddedLog } from '../log/embedded/index.ts'
import type { OutgoingBatch } from '../log/log.ts'
import type { Counts } from '../runtime/counters.ts'
import type { StreamsConfigInput } from '../runtime/config.ts'
import type { StreamsEvent } from '../runtime/events.ts'
import type { RunningTask } from '../runtime/running-task.ts'
import { StreamsApp } from '../runtime/streams-app.ts'
import { MemoryStateDirectory } from '../state/memory-directory.ts'
import type { KeyValueStore, WindowStore } from '../state/state-store.ts'
import { sourceTopicsOf, type Topology } from '../topology/topology.ts'
import { MortalClock } from './mortal-clock.ts'
import { SeededRandom } from './seeded-random.ts'
import { SimulatedClock } from './simulated-clock.ts'
import { TestInputTopic, TestOutputTopic, type TopicAccess, type TopicSerdes } from './test-topics.ts'

export interface DriverOptions {
  /** Partitions of the source topics: one number for all, or by topic. Default 1. */
  readonly partitions?: number | Readonly<Record<string, number>>
  /** Settings besides the application id. The commit interval is 1 ms, and a future timestamp is not checked. */
  readonly config?: Partial<StreamsConfigInput>
  /** The wall clock at first. Default 2024-01-01T00:00:00Z. */
  readonly startMs?: number
  /** Makes values that are put into stores unchangeable, so that code that changes one is found. Default true. */
  readonly freezeValues?: boolean
}

/** How much simulated time a call may take before the driver says that the topology does not come to rest. */
const REST_WITHIN_MS = 60_000

/**
 * ```ts
 * const driver = await TopologyTestDriver.create(topology, { partitions: 2 })
 * const input = driver.createInputTopic('readings', { key: Serdes.string(), value: Serdes.json<Reading>() })
 * const output = driver.createOutputTopic('aggregates', { key: Serdes.string(), value: Serdes.json<Aggregate>() })
 * await input.pipeInput('s1', { temperature: 20 }, 1_000)
 * expect(await output.readRecords()).toEqual([…])
 * await driver.close()
 * ```
 *
 * Each call that writes returns when everything that follows has been worked and committed; that takes a few
 * milliseconds of the driver's clock. Otherwise time passes in `advanceWallClock` only, so idleness and retries happen
 * when the test says so. An error that stops the application is thrown by the call during which it happens.
 */
export class TopologyTestDriver {
  private readonly topology: Topology
  private readonly options: DriverOptions
  private readonly clock: SimulatedClock
  private readonly random = new SeededRandom(1)
  private readonly connect: () => EmbeddedLog
  private readonly directory = new MemoryStateDirectory('TopologyTestDriver')
  /** The test's own way to the log; the application has another, which can be killed. */
  private readonly ownLog: EmbeddedLog
  private appLog: EmbeddedLog
  private appClock: MortalClock
  private app: StreamsApp
  private running: Promise<void> = Promise.resolve()
  private failure: { error: unknown } | undefined
  /** Everything the application has told. */
  readonly events: StreamsEvent[] = []

  private constructor(topology: Topology, options: DriverOptions) {
    this.topology = topology
    this.options = options
    this.clock = new SimulatedClock(options.startMs)
    const broker = createInMemoryBroker({ clock: this.clock, random: this.random })
    this.connect = () =>
      new EmbeddedLog({
        connection: broker.connect(),
        clock: this.clock,
        random: this.random,
        verifyChecksums: false,
      })
    this.ownLog = this.connect()
    this.appLog = this.connect()
    this.appClock = new MortalClock(this.clock)
    this.app = this.makeApp(undefined)
  }

  /** Creates the source topics and starts the topology. */
  static async create(topology: Topology, options: DriverOptions = {}): Promise<TopologyTestDriver> {
    const driver = new TopologyTestDriver(topology, options)
    const topics = sourceTopicsOf(topology).map((name) => ({
      name,
      partitions: partitionsFor(name, options),
    }))
    await driver.drive(driver.ownLog.createTopics(topics))
    await driver.start(undefined)
    return driver
  }

  /** A source topic to write to. */
  createInputTopic<K, V>(topic: string, serdes: TopicSerdes<K, V>): TestInputTopic<K, V> {
    return new TestInputTopic(this.access(), topic, serdes)
  }

  /** A topic to read: a sink, the late topic, the dead-letter topic. */
  createOutputTopic<K, V>(topic: string, serdes: TopicSerdes<K, V>): TestOutputTopic<K, V> {
    return new TestOutputTopic(this.access(), topic, serdes)
  }

  /** Lets wall-clock time pass: what is silent becomes idle, what waits for a retry is tried again. */
  async advanceWallClock(ms: number): Promise<void> {
    await this.clock.advance(ms)
    this.rethrow()
    await this.settle()
  }

  /** A key-value store of one task, as the task sees it. */
  keyValueStore<K, V>(name: string, partition = 0): KeyValueStore<K, V> {
    return this.storesOf(name, partition).keyValueStore(name) as unknown as KeyValueStore<K, V>
  }

  /** A window store of one task, as the task sees it. */
  windowStore<K, V>(name: string, partition = 0): WindowStore<K, V> {
    return this.storesOf(name, partition).windowStore(name) as unknown as WindowStore<K, V>
  }

  /** The counts of all tasks, summed by name. */
  counts(): Counts {
    const sums: Record<string, number> = {}
    for (const { task } of this.app.tasks.values()) {
      for (const [name, count] of Object.entries(task.parts.counters.snapshot()))
        sums[name] = (sums[name] ?? 0) + count
    }
    return sums
  }

  /** Ends as a bounded run with flush does: every open window closes. The topology goes on afterwards. */
  async flush(): Promise<void> {
    await this.stopApp()
    await this.start({ flush: true })
    await this.drive(this.running)
    await this.start(undefined)
  }

  /** Starts again: after a graceful stop, or, with `crash`, as after SIGKILL. */
  async restart(how: 'gracefully' | 'crash' = 'gracefully'): Promise<void> {
    if (how === 'gracefully') {
      await this.stopApp()
    } else {
      this.appLog.kill()
      this.appClock.kill()
      this.directory.abandon()
      this.appLog = this.connect()
      this.appClock = new MortalClock(this.clock)
    }
    await this.start(undefined)
  }

  /** Stops the topology. */
  async close(): Promise<void> {
    await this.stopApp()
    await this.drive(this.ownLog.close())
  }

  private makeApp(bounded: { flush: boolean } | undefined): StreamsApp {
    const { config, freezeValues } = this.options
    const app = new StreamsApp({
      topology: this.topology,
      config: { applicationId: 'test', commitIntervalMs: 1, maxFutureSkewMs: null, ...config },
      log: this.appLog,
      directory: this.directory,
      clock: this.appClock,
      random: this.random,
      options: { freezeValues: freezeValues ?? true },
      ...(bounded !== undefined && { bounded }),
    })
    app.events.subscribe((event) => this.events.push(event))
    return app
  }

  private async start(bounded: { flush: boolean } | undefined): Promise<void> {
    this.app = this.makeApp(bounded)
    const { app } = this
    this.running = app.run()
    this.running.catch((error: unknown) => {
      if (this.app === app) this.failure = { error }
    })
    if (bounded === undefined) await this.settle()
  }

  private async stopApp(): Promise<void> {
    this.rethrow()
    await this.drive(this.app.stop())
    this.rethrow()
  }

  private access(): TopicAccess {
    return {
      log: this.ownLog,
      drive: (work) => this.drive(work),
      partitionsOf: async (topic) => {
        const described = await this.drive(this.ownLog.describeTopics([topic]))
        const found = described.get(topic)
        if (found === undefined) throw new Error(`the topology has no topic ${topic}`)
        return found.partitions
      },
      append: (batches) => this.append(batches),
    }
  }

  private async append(batches: readonly OutgoingBatch[]): Promise<void> {
    const producer = await this.drive(this.ownLog.producer({ transactionalId: 'TopologyTestDriver' }))
    producer.begin()
    await this.drive(producer.send(batches))
    await this.drive(producer.commit())
    await this.drive(producer.close())
    await this.settle()
  }

  /** Lets simulated time pass until `work` has ended. */
  private async drive<T>(work: Promise<T>): Promise<T> {
    let ended = false
    const watched = work.finally(() => (ended = true))
    watched.catch(() => undefined)
    await this.clock.runUntilIdle()
    for (let ms = 0; !ended && ms < REST_WITHIN_MS; ms++) await this.clock.advance(1)
    if (!ended)
      throw new Error(`the topology does not come to rest within ${REST_WITHIN_MS} simulated milliseconds`)
    return watched
  }

  /** Lets simulated time pass until everything that is in the log is worked and committed. */
  private async settle(): Promise<void> {
    for (let ms = 0; ms < REST_WITHIN_MS; ms++) {
      await this.clock.advance(1)
      this.rethrow()
      if (this.app.isQuiet && (await this.isSettled())) return
    }
    throw new Error(`the topology does not come to rest within ${REST_WITHIN_MS} simulated milliseconds`)
  }

  private async isSettled(): Promise<boolean> {
    for (const running of this.app.tasks.values()) {
      const waitsForRetry = running.task.retryAtMs > this.clock.monotonic()
      if (running.task.hasChanges && !waitsForRetry) return false
      for (const { offset: arrived, ...partition } of running.fetchOffsets()) {
        const [end] = await this.drive(this.ownLog.offsets('end', [partition]))
        if (end !== arrived) return false
      }
    }
    return this.app.isQuiet
  }

  private storesOf(name: string, partition: number): RunningTask['task']['parts']['stores'] {
    for (const running of this.app.tasks.values()) {
      const { id, parts } = running.task
      if (id.partition === partition && parts.stores.names.includes(name)) return parts.stores
    }
    throw new Error(`there is no store ${name} in partition ${partition}`)
  }

  private rethrow(): void {
    if (this.failure === undefined) return
    const { error } = this.failure
    throw error
  }
}

function partitionsFor(topic: string, { partitions }: DriverOptions): number {
  if (partitions === undefined) return 1
  return typeof partitions === 'number' ? partitions : (partitions[topic] ?? 1)
}
