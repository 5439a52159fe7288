/**
 * A running topology: what Kafka Streams calls KafkaStreams.
 *
 * What lives in `runtime/`: tasks and what drives them (inputs in order, units of undo, commits, restore, membership),
 * configuration and events. It is the only folder that knows both the log and the state. What never does: adapters of
 * either (they are handed in), the command line, anything about sensors.
 *
 * The life of a record, a file per step: task-feeder → source-channel or repartition-input (record-reader decodes) →
 * task-inputs (order) → task (window-closer first, then pipeline as one unit: unit-runner) → record-collector →
 * commit-cycle.
 */
import { systemClock, systemRandom, type Clock, type Random } from '../clock.ts'
import { partitionKey, type Log, type PartitionOffset, type TopicPartition } from '../log/log.ts'
import type { StateDirectory } from '../state/backend.ts'
import type { PartitionPlan } from '../topology/partition-plan.ts'
import { sourceTopicsOf, type Topology } from '../topology/topology.ts'
import { appTransition, type AppState } from './app-state.ts'
import type { Application, ApplicationOptions } from './application.ts'
import { checkTopics, createMissingTopics, describeOutputs } from './application-topics.ts'
import {
  doesAll,
  findOpenRun,
  isRunFinished,
  openRun,
  type BoundedRun,
  type BoundedRunSpec,
} from './bounded-run.ts'
import { parseConfig, type StreamsConfig, type StreamsConfigInput } from './config.ts'
import { EventBus, type StreamsEvent } from './events.ts'
import { currentIncarnation } from './incarnations.ts'
import { topicPrefixOf } from './internal-topics.ts'
import { layoutOf, sourceCounts } from './layout.ts'
import { patientLog } from './patient-log.ts'
import { withRetries } from './retry.ts'
import type { RunningTask } from './running-task.ts'
import type { StandbyProgress } from './standby-task.ts'
import { taskProgress, type TaskProgress } from './task-progress.ts'
import { Worker } from './worker.ts'
import type { Observable } from 'rxjs'

export interface StreamsAppSpec {
  readonly topology: Topology
  readonly config: StreamsConfigInput
  /** The log; stays open when the application stops. */
  readonly log: Log
  /** Where state is kept; closed when the application stops. */
  readonly directory: StateDirectory
  /**
   * Ends at `ends` (of every source partition, by `topic/partition`), or where not given at the end offsets seen at
   * the start; without `bounded` the application runs until it is stopped. A run with the same given ends that has
   * been finished is not done again.
   */
  readonly bounded?: { readonly flush: boolean; readonly ends?: BoundedRun['ends'] }
  /** The same for all instances of one process, which keep no standby copies for each other. */
  readonly processId?: string
  readonly clock?: Clock
  readonly random?: Random
  readonly options?: ApplicationOptions
}

/** How long a log that cannot be reached is tried at the start. */
const START_WITHIN_MS = 30_000
/** How long one call is repeated while the log cannot be reached. */
const CALL_WITHIN_MS = 10_000

/** One instance of an application. `new` checks, `run` starts and ends when it ends, `stop` ends it. */
export class StreamsApp {
  readonly config: StreamsConfig
  private readonly spec: StreamsAppSpec
  private readonly log: Log
  /** @internal */
  readonly clock: Clock
  /** @internal */
  readonly random: Random
  private readonly bus = new EventBus()
  private currentState: AppState = 'created'
  private worker: Worker | undefined
  private boundedRun: BoundedRun | undefined
  private stopRequested = false
  private hasWarned = false
  private finished: Promise<void> | undefined

  /** Checks the configuration (`ConfigError`); the topology was checked when it was built. Starts nothing. */
  constructor(spec: StreamsAppSpec) {
    this.spec = spec
    this.config = parseConfig(spec.config)
    this.clock = spec.clock ?? systemClock
    this.random = spec.random ?? systemRandom
    this.log = patientLog(spec.log, this, CALL_WITHIN_MS)
  }

  get state(): AppState {
    return this.currentState
  }

  /** What happens, as it happens. */
  get events(): Observable<StreamsEvent> {
    return this.bus.events
  }

  /** The tasks of this instance by name; empty while none are assigned. */
  get tasks(): ReadonlyMap<string, RunningTask> {
    return this.worker?.tasks ?? new Map<string, RunningTask>()
  }

  /** How far the tasks of this instance have come. */
  get progress(): readonly TaskProgress[] {
    return [...this.tasks.values()].map((running) => taskProgress(running, this.boundedRun))
  }

  /** The standby copies that this instance keeps. */
  get standbys(): readonly StandbyProgress[] {
    return this.worker?.standbyProgress ?? []
  }

  /** Whether nothing is on its way: no rebalance, no start, no commit. Tasks may still have work. */
  get isQuiet(): boolean {
    return this.worker?.isQuiet ?? false
  }

  /**
   * Starts, and resolves when the application has ended: stopped, or at the end of its bounded run. Rejects with the
   * error that made it end otherwise; everything is closed then.
   */
  run(): Promise<void> {
    this.finished ??= this.runToTheEnd()
    return this.finished
  }

  /** Commits what is worked, gives the tasks up and ends. Resolves when that is done; never rejects. */
  async stop(): Promise<void> {
    this.stopRequested = true
    if (this.currentState === 'created') {
      this.goTo('stopped')
      await this.spec.directory.close()
    }
    if (this.currentState === 'running' || this.currentState === 'starting') this.goTo('stopping')
    this.worker?.stop()
    await this.finished?.catch(() => undefined)
  }

  private async runToTheEnd(): Promise<void> {
    this.goTo('starting')
    try {
      const wanted = this.spec.bounded && (await withRetries(this, START_WITHIN_MS, () => this.sourceEnds()))
      let isLast: boolean
      do {
        const application = await withRetries(this, START_WITHIN_MS, () => this.prepare(wanted))
        this.boundedRun = application.run
        this.worker = new Worker(application)
        if (this.stopRequested) this.worker.stop()
        else if (this.currentState === 'starting') this.goTo('running')
        await this.worker.run()
        // A run that an earlier instance had left open ends where that one wanted; now comes what this one is for.
        isLast = this.worker.isStopping || !application.hasRunToCome
      } while (!isLast)
      if (this.currentState === 'running') this.goTo('stopping')
      await this.spec.directory.close()
      this.goTo('stopped')
    } catch (error) {
      await this.spec.directory.close().catch(() => undefined)
      this.goTo('failed')
      throw error
    }
  }

  /** Everything that is decided once, before any task starts. */
  private async prepare(wanted: readonly PartitionOffset[] | undefined): Promise<Application> {
    const { topology, directory, bounded } = this.spec
    const { config, log } = this
    const { applicationId } = config
    const { plan, tasks, fingerprint } = await layoutOf(log, topology)
    const incarnation = await currentIncarnation(log, applicationId)
    const topicPrefix = topicPrefixOf(applicationId, incarnation)
    const topics = { log, topology, config, topicPrefix }
    await createMissingTopics(topics, plan)
    const outputs = await describeOutputs(topics)
    this.warnOnce(await checkTopics(topics, plan))
    const runSpec = { log, applicationId, topicPrefix, tasks, sources: this.sourcePartitions(plan) }
    const run = bounded === undefined ? await unfinishedFlush(runSpec) : await openRun(runSpec, bounded)
    return {
      config,
      incarnation,
      topicPrefix,
      topology,
      plan,
      tasks,
      fingerprint,
      log,
      directory,
      clock: this.clock,
      random: this.random,
      events: this.bus,
      outputPartitions: new Map([...outputs].map(([topic, { partitions }]) => [topic, partitions])),
      run,
      stopsAtEnd: bounded !== undefined,
      hasRunToCome: run !== undefined && bounded !== undefined && !doesAll(run, bounded.flush, wanted ?? []),
      isRunFinished: async () => run === undefined || (await isRunFinished(runSpec, run)),
      processId: this.spec.processId,
      options: this.spec.options ?? {},
    }
  }

  /** A start that is tried again says it only once. */
  private warnOnce(messages: readonly string[]): void {
    if (this.hasWarned) return
    this.hasWarned = true
    for (const message of messages) this.bus.emit({ type: 'warning', message })
  }

  /** Where the run that is asked for ends. */
  private async sourceEnds(): Promise<readonly PartitionOffset[]> {
    const { log } = this
    const partitions = [...(await sourceCounts(log, this.spec.topology))].flatMap(([topic, count]) =>
      Array.from({ length: count }, (_, partition) => ({ topic, partition })),
    )
    const given = this.spec.bounded?.ends
    if (given !== undefined) {
      return partitions.map((place) => ({ ...place, offset: BigInt(given[partitionKey(place)] ?? 0) }))
    }
    const ends = await log.offsets('end', partitions)
    return partitions.map((place, index) => ({ ...place, offset: ends[index]! }))
  }

  private sourcePartitions(plan: PartitionPlan): readonly TopicPartition[] {
    return sourceTopicsOf(this.spec.topology).flatMap((topic) =>
      Array.from({ length: plan.counts.get(topic)! }, (_, partition) => ({ topic, partition })),
    )
  }

  private goTo(state: AppState): void {
    this.currentState = appTransition(this.currentState, state)
    this.bus.emit({ type: 'state', state })
  }
}

/**
 * A flush that was decided and not finished still happens, where it was decided: also when the next run has no end. A
 * run without flush decides nothing.
 */
async function unfinishedFlush(spec: BoundedRunSpec): Promise<BoundedRun | undefined> {
  const open = await findOpenRun(spec)
  return open?.flush === true ? open : undefined
}
