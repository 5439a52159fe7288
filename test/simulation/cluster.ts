/**
 * A simulated cluster: one in-memory broker, any number of instances of the real runtime, one clock and one seed.
 */
import { createInMemoryBroker, EmbeddedLog, type BrokerConnection } from '../../src/log/embedded/index.ts'
import type { Log } from '../../src/log/log.ts'
import type { StreamsConfigInput } from '../../src/runtime/config.ts'
import type { StreamsEvent } from '../../src/runtime/events.ts'
import type { ApplicationOptions } from '../../src/runtime/application.ts'
import { StreamsApp } from '../../src/runtime/streams-app.ts'
import type { StateDirectory } from '../../src/state/backend.ts'
import { MemoryStateDirectory } from '../../src/state/memory-directory.ts'
import { SeededRandom } from '../../src/testing/seeded-random.ts'
import { SimulatedClock } from '../../src/testing/simulated-clock.ts'
import type { Topology } from '../../src/topology/topology.ts'
import { faultyConnection, type NetworkFaults } from './faulty-connection.ts'
import { SimulatedProcess } from './simulated-process.ts'

export interface ClusterOptions {
  readonly seed: number
  readonly network: NetworkFaults
  /** Longest time until a decided transaction becomes visible; 0 for at once. */
  readonly markerDelayMsMax: number
  /** Plants a fault between the runtime and the log, or the state. */
  readonly wrapLog?: (log: Log) => Log
  readonly wrapDirectory?: (directory: StateDirectory) => StateDirectory
}

export interface AppOptions {
  readonly config: StreamsConfigInput
  readonly bounded?: { readonly flush: boolean }
  readonly options?: ApplicationOptions
}

/** One instance of the application, as a process. */
export class Instance {
  readonly name: string
  readonly app: StreamsApp
  readonly events: StreamsEvent[] = []
  /** Undefined while it runs. */
  outcome: 'ended' | { readonly error: unknown } | undefined
  private readonly process: SimulatedProcess
  private readonly log: EmbeddedLog
  private readonly directory: MemoryStateDirectory

  constructor(
    name: string,
    app: StreamsApp,
    process: SimulatedProcess,
    log: EmbeddedLog,
    directory: MemoryStateDirectory,
  ) {
    this.name = name
    this.app = app
    this.process = process
    this.log = log
    this.directory = directory
    app.events.subscribe((event) => this.events.push(event))
    app.run().then(
      () => (this.outcome = 'ended'),
      (error: unknown) => (this.outcome = { error }),
    )
  }

  get isRunning(): boolean {
    return this.process.isAlive && this.outcome === undefined
  }

  /** SIGKILL: the state on its disk stays. */
  kill(): void {
    this.process.kill()
    this.log.kill()
    this.directory.abandon()
  }

  /** SIGSTOP and, later, SIGCONT. */
  stop(): void {
    this.process.stop()
  }

  continue(): void {
    this.process.continue()
  }
}

export class SimulatedCluster {
  readonly clock = new SimulatedClock()
  readonly random: SeededRandom
  /** A way to the log without faults, for feeding and looking. */
  readonly log: EmbeddedLog
  readonly instances: Instance[] = []
  /** Requests and answers that got lost. */
  lostCalls = 0
  private readonly options: ClusterOptions
  private readonly connect: () => BrokerConnection
  private readonly disks = new Map<string, MemoryStateDirectory>()

  constructor(options: ClusterOptions) {
    this.options = options
    this.random = new SeededRandom(options.seed)
    const { markerDelayMsMax } = options
    const markers = this.random.fork()
    const broker = createInMemoryBroker({
      clock: this.clock,
      random: this.random.fork(),
      ...(markerDelayMsMax > 0 && { markerDelayMs: () => markers.int(markerDelayMsMax + 1) }),
    })
    this.connect = () => broker.connect()
    this.log = new EmbeddedLog({
      connection: broker.connect(),
      clock: this.clock,
      random: this.random.fork(),
      verifyChecksums: false,
    })
  }

  /** Starts an instance; one of the same name before it left its disk behind. */
  start(name: string, topology: Topology, app: AppOptions): Instance {
    const { network, wrapLog, wrapDirectory } = this.options
    const process = new SimulatedProcess(this.clock)
    const random = this.random.fork()
    const connection = faultyConnection(
      this.connect(),
      process,
      random.fork(),
      network,
      () => this.lostCalls++,
    )
    const log = new EmbeddedLog({ connection, clock: process, random: random.fork(), verifyChecksums: false })
    const disk = this.disks.get(`${app.config.applicationId}/${name}`) ?? new MemoryStateDirectory(name)
    this.disks.set(`${app.config.applicationId}/${name}`, disk)
    const streams = new StreamsApp({
      topology,
      config: app.config,
      log: wrapLog?.(log) ?? log,
      directory: wrapDirectory?.(disk) ?? disk,
      clock: process,
      random,
      ...(app.bounded !== undefined && { bounded: app.bounded }),
      ...(app.options !== undefined && { options: app.options }),
    })
    const instance = new Instance(name, streams, process, log, disk)
    this.instances.push(instance)
    return instance
  }

  get running(): readonly Instance[] {
    return this.instances.filter((instance) => instance.isRunning)
  }

  /** Lets time pass until `work` has ended; throws when that takes longer than `withinMs`. */
  async drive<T>(work: Promise<T>, withinMs = 60_000): Promise<T> {
    let ended = false
    const watched = work.finally(() => (ended = true))
    watched.catch(() => undefined)
    await this.until(() => ended, withinMs, 'a call')
    return watched
  }

  /** Lets time pass until `condition` holds. */
  async until(condition: () => boolean, withinMs: number, what: string): Promise<void> {
    const deadlineMs = this.clock.monotonic() + withinMs
    await this.clock.runUntilIdle()
    while (!condition()) {
      const nextMs = this.clock.nextTimerInMs
      if (nextMs === null || this.clock.monotonic() + nextMs > deadlineMs) {
        throw new Error(`simulated time is over: ${what} within ${withinMs} ms`)
      }
      await this.clock.runNextTimer()
    }
  }
}
