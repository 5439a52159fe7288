/** When a worker commits and flushes. One commit at a time; work may go on while it is on its way. */
import type { Clock } from '../clock.ts'
import { RetriableError } from '../errors.ts'
import type { GroupMember, LogProducer } from '../log/log.ts'
import type { Application } from './application.ts'
import { prepareCommit, publishCommit } from './commit-cycle.ts'
import type { RunningTask } from './running-task.ts'
import type { Wake } from './wake.ts'

export interface CommitContext {
  readonly tasks: readonly RunningTask[]
  readonly producer: LogProducer | undefined
  readonly member: GroupMember | undefined
}

/** Committed entries that wait for the disk are flushed at the latest when there are so many. */
const FLUSH_ENTRIES_MAX = 20_000
/** Consumed repartition records are deleted at most this often. */
const DELETE_INTERVAL_MS = 1_000

export class CommitScheduler {
  private readonly application: Application
  private readonly clock: Clock
  private readonly wake: Wake
  private inFlight: Promise<void> | undefined
  private failure: unknown
  private lastCommitMs: number
  private lastDeleteMs: number
  /** Records worked by each task when it last committed. */
  private readonly workedBefore = new WeakMap<RunningTask, number>()

  constructor(application: Application, wake: Wake) {
    this.application = application
    this.clock = application.clock
    this.wake = wake
    this.lastCommitMs = this.clock.monotonic()
    this.lastDeleteMs = this.lastCommitMs
  }

  /** Whether no commit is on its way, and none has failed that nobody knows of yet. */
  get isIdle(): boolean {
    return this.inFlight === undefined && this.failure === undefined
  }

  /**
   * Whether a commit is on its way and what has been worked behind it fills another one: to work on would only pile up
   * memory.
   */
  isFull(tasks: Iterable<RunningTask>): boolean {
    return this.inFlight !== undefined && this.isEnough(tasks)
  }

  /** What has failed since the last call. */
  takeFailure(): unknown {
    const failure = this.failure
    this.failure = undefined
    return failure
  }

  /** How long nothing has to be done here, in milliseconds. */
  nextDueMs(tasks: Iterable<RunningTask>): number {
    const { commitIntervalMs, stateFlushIntervalMs } = this.application.config
    const hasChanges = [...tasks].some(({ task }) => task.hasChanges)
    if (!hasChanges || this.inFlight !== undefined) return Math.max(stateFlushIntervalMs, commitIntervalMs)
    return this.lastCommitMs + commitIntervalMs - this.clock.monotonic()
  }

  /** Begins a commit when it is due and none is on its way; else flushes what is due. Nothing behind a failure. */
  commitIfDue(context: CommitContext): void {
    if (!this.isIdle) return
    if (this.isDue(context)) this.begin(context)
    else this.flushDue(context.tasks)
  }

  /** Waits for the commit on its way and then commits everything else, and flushes. Rejects with what failed. */
  async commitAll(context: CommitContext): Promise<void> {
    await this.settle()
    const failed = this.takeFailure()
    if (failed !== undefined) throw failed as Error
    if (context.producer === undefined || context.member === undefined) return
    if (!context.tasks.some(({ task }) => task.hasChanges)) return
    this.begin(context)
    await this.settle()
    const failure = this.takeFailure()
    if (failure !== undefined) throw failure as Error
  }

  /** Waits until no commit is on its way, however it ends. */
  async settle(): Promise<void> {
    await this.inFlight
  }

  private isDue({ tasks, producer, member }: CommitContext): boolean {
    if (producer === undefined || member === undefined || !tasks.some(({ task }) => task.hasChanges))
      return false
    const { commitIntervalMs } = this.application.config
    return this.clock.monotonic() - this.lastCommitMs >= commitIntervalMs || this.isEnough(tasks)
  }

  /** Whether there is as much to commit as one commit takes. */
  private isEnough(tasks: Iterable<RunningTask>): boolean {
    const { commitRecords, commitBytes } = this.application.config
    let bytes = 0
    let records = 0
    for (const running of tasks) {
      bytes += running.task.parts.collector.pendingBytes
      records += this.recordsOf(running)
    }
    return bytes >= commitBytes || records >= commitRecords
  }

  private recordsOf(running: RunningTask): number {
    return running.task.worked - (this.workedBefore.get(running) ?? 0)
  }

  private recordsSince(tasks: readonly RunningTask[]): number {
    let records = 0
    for (const running of tasks) records += this.recordsOf(running)
    return records
  }

  private begin({ tasks, producer, member }: CommitContext): void {
    const { config, events } = this.application
    const startedMs = this.clock.monotonic()
    const records = this.recordsSince(tasks)
    for (const running of tasks) this.workedBefore.set(running, running.task.worked)
    const ready = tasks.filter(({ task }) => task.mayCommit)
    try {
      const prepared = prepareCommit(ready, member!, this.clock, records)
      this.inFlight = publishCommit(producer!, config.applicationId, prepared)
        .then(() => {
          const durationMs = this.clock.monotonic() - startedMs
          events.emit({ type: 'committed', tasks: ready.length, records, durationMs })
          this.flushDue(tasks)
          this.deleteConsumed(tasks)
        })
        .catch((error: unknown) => (this.failure = error))
        .then(() => {
          this.lastCommitMs = startedMs
          this.inFlight = undefined
          this.wake.signal()
        })
    } catch (error) {
      this.failure = error
    }
  }

  private flushDue(tasks: readonly RunningTask[]): void {
    const { stateFlushIntervalMs, stateMemoryBytes } = this.application.config
    for (const running of tasks) {
      if (!running.isFlushDue(stateFlushIntervalMs, FLUSH_ENTRIES_MAX)) continue
      running.flush().then(
        () => running.task.parts.stores.evict(stateMemoryBytes / tasks.length),
        (error: unknown) => {
          this.failure = error
          this.wake.signal()
        },
      )
    }
  }

  /** Repartition records below the lowest position that is committed are of no use to anybody. */
  private deleteConsumed(tasks: readonly RunningTask[]): void {
    if (this.clock.monotonic() - this.lastDeleteMs < DELETE_INTERVAL_MS) return
    this.lastDeleteMs = this.clock.monotonic()
    const before = tasks.flatMap((running) => running.consumedRepartitions())
    if (before.length === 0) return
    this.application.log.deleteRecords(before).catch((error: unknown) => {
      // It is tried again with the next commits.
      if (!(error instanceof RetriableError)) this.failure = error
    })
  }
}
