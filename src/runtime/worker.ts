/**
 * A worker: one loop, one transactional producer, one membership, and the tasks that the group gives it; beside them
 * the standby copies (standbys.ts), which have a loop of their own.
 *
 * ```
 *   control request? ──> rebalance: commit all, suspend; or drop all
 *   tasks wanted? ─────> start them (task-starter.ts)
 *   something failed? ─> recover: drop all, new producer, start them again from what is committed
 *   work a slice of every task ──> commit if due ──> hand out what was read ──> sleep when there is nothing to do
 * ```
 *
 * Work goes on while a commit is on its way. Whatever fails, memory is dropped and the commit log decides.
 */
import { sleep, type Clock } from '../clock.ts'
import { codeOf, CorruptedStateError, FatalError, FencedError, messageOf } from '../errors.ts'
import type { GroupMember, GroupMembership, LogProducer, LogReader } from '../log/log.ts'
import type { Application } from './application.ts'
import { decodeAssignment, type Assignment } from './assignment.ts'
import { CommitScheduler } from './commit-scheduler.ts'
import { IdleWatch } from './idle-watch.ts'
import { refuseOldIncarnation } from './incarnations.ts'
import { InputLookup } from './input-lookup.ts'
import { Intake, POLL_WAIT_MS } from './intake.ts'
import { RunEnd } from './run-end.ts'
import { joinWorkerGroup } from './worker-membership.ts'
import { pauseIn, type Pause } from './pause.ts'
import { workWithin } from './rate-limit.ts'
import type { RunningTask } from './running-task.ts'
import type { StandbyProgress } from './standby-task.ts'
import { Standbys } from './standbys.ts'
import { TaskFeeder } from './task-feeder.ts'
import { taskName } from './task-id.ts'
import { NotWantedError, startTasks } from './task-starter.ts'
import { Wake } from './wake.ts'
import { mustStop, newWorkerProducer } from './worker-recovery.ts'

/** A request of the membership that the loop has to answer. */
export interface ControlRequest {
  readonly kind: 'revoked' | 'lost'
  readonly reason: string
  readonly done: () => void
}

interface Wanted extends Assignment {
  readonly member: GroupMember
  /** Somebody holds the application: there are no tasks for anybody, and what is suspended stays so. */
  readonly pause: Pause | undefined
}

/** Records of one task worked at a stretch, so that heartbeats and reads get their turn. */
const SLICE_RECORDS = 2_000
const RECOVERY_BACKOFF_MS_MAX = 5_000

export class Worker {
  private readonly application: Application
  private readonly clock: Clock
  private readonly wake: Wake
  private readonly reader: LogReader
  private readonly feeder: TaskFeeder
  private readonly intake: Intake
  private readonly standbys: Standbys
  private readonly commits: CommitScheduler
  private readonly runEnd: RunEnd
  private readonly idleWatch: IdleWatch | undefined
  private readonly running = new Map<string, RunningTask>()
  private readonly control: ControlRequest[] = []
  private readonly starved = new Set<RunningTask>()
  private membership: GroupMembership | undefined
  private producer: LogProducer | undefined
  private wanted: Wanted | undefined
  private assigned: Wanted | undefined
  private failure: unknown
  private fatal: Error | undefined
  private failures = 0
  private stopping = false
  private lettingGo = false

  constructor(application: Application) {
    this.application = application
    const { log, clock, random, config, stopsAtEnd } = application
    this.clock = clock
    this.wake = new Wake(clock)
    this.reader = log.reader({ prefetchBytes: config.inputBufferBytes })
    const lookup = new InputLookup({ clock, random, onRetry: (error) => this.tell(error) })
    this.feeder = new TaskFeeder(this.reader, application.topicPrefix, config.inputBufferBytes, lookup)
    this.intake = new Intake(this.reader, this.feeder, this.wake, (error) => (this.failure = error))
    this.standbys = new Standbys(application)
    this.commits = new CommitScheduler(application, this.wake)
    this.runEnd = new RunEnd(application)
    this.idleWatch =
      config.idleTimeoutMs === null || stopsAtEnd
        ? undefined
        : new IdleWatch(log, clock, config.idleTimeoutMs, config.closeAfterSilenceMs)
  }

  /** Task names with what they show; for status. */
  get tasks(): ReadonlyMap<string, RunningTask> {
    return this.running
  }

  /** How far the standby copies are. */
  get standbyProgress(): readonly StandbyProgress[] {
    return this.standbys.progress
  }

  /** Whether it was told to end: by `stop`, or by whoever holds the application. */
  get isStopping(): boolean {
    return this.stopping
  }

  /** Whether nothing is on its way: no rebalance, no start, no commit, nothing read and not handed out. */
  get isQuiet(): boolean {
    const waits = this.wanted !== undefined || this.failure !== undefined || this.intake.isWaiting
    return !waits && this.assigned !== undefined && this.control.length === 0 && this.commits.isIdle
  }

  /** Works until it is stopped, or until the bounded run has ended. Rejects with what made it stop otherwise. */
  async run(): Promise<void> {
    try {
      this.membership = await joinWorkerGroup(this.application, {
        working: () => [...this.running.keys()],
        copies: () => this.standbys.names,
        onAssigned: (assignment, member) => this.onAssigned(assignment, member),
        onControl: (kind, reason) => this.request(kind, reason),
        onFailed: (error) => this.fail(error),
      })
      await this.loop()
      await this.finish()
    } catch (error) {
      await this.abandon(error)
      throw error
    } finally {
      await this.letGo()
    }
  }

  /** Ends the loop after a last commit. */
  stop(): void {
    this.stopping = true
    this.wake.signal()
  }

  private async loop(): Promise<void> {
    while (!this.stopping) {
      if (this.fatal !== undefined) throw this.fatal
      const request = this.control.shift()
      if (request !== undefined) await this.answer(request)
      else if (this.wanted !== undefined) await this.startWanted(this.wanted)
      else if (this.failure !== undefined) await this.recover()
      else if (await this.workOnce()) return
    }
  }

  /** One round; true when the bounded run has ended here. */
  private async workOnce(): Promise<boolean> {
    try {
      const busy = await this.workTasks()
      this.idleWatch?.look()
      this.feeder.regulate(this.starved)
      this.failure ??= this.commits.takeFailure()
      if (this.failure !== undefined) return false
      const decided = !busy && (await this.idleWatch?.checkIfDue()) === true
      this.commits.commitIfDue(this.commitContext())
      if (this.application.stopsAtEnd && (await this.hasFinished())) return true
      this.intake.handOut()
      if (busy || decided) await this.clock.yieldNow()
      else await this.wake.wait(this.sleepMs())
    } catch (error) {
      this.failure = error
    }
    return false
  }

  /** Works a slice of every task; true when there is more to do at once. */
  private async workTasks(): Promise<boolean> {
    let busy = false
    this.starved.clear()
    // What the next commit takes has its limit too, however long the one on its way takes.
    if (this.commits.isFull(this.running.values())) return false
    const slice = this.sliceRecords()
    const { rateLimit } = this.application.options
    for (const running of this.running.values()) {
      // While a rebalance is under way tasks only wait for what becomes of them.
      if (running.task.state !== 'running') continue
      const outcome = workWithin(rateLimit, running.task, slice)
      if (outcome === 'more') busy = true
      if (outcome === 'starved') this.starved.add(running)
      if (outcome === 'needs-load') {
        // A flush in between could take away what the scan has just read.
        await this.commits.settle()
        await running.settle()
        await running.task.loadWindows()
        busy = true
      }
    }
    return busy
  }

  /** All tasks together stay about within the records of one commit. */
  private sliceRecords(): number {
    const { commitRecords } = this.application.config
    return Math.min(SLICE_RECORDS, Math.ceil(commitRecords / Math.max(1, this.running.size)))
  }

  private hasFinished(): Promise<boolean> | boolean {
    // Not while dropped tasks are still to be started again, nor while the application is held.
    if (this.assigned?.active.length !== this.running.size || !this.commits.isIdle) return false
    return this.runEnd.isReachedBy(this.running.values())
  }

  private sleepMs(): number {
    let sleepMs = Math.min(POLL_WAIT_MS * 10, this.commits.nextDueMs(this.running.values()))
    for (const { task } of this.running.values()) {
      const retryInMs = task.retryAtMs - this.clock.monotonic()
      if (retryInMs > 0) sleepMs = Math.min(sleepMs, retryInMs)
    }
    if (this.idleWatch !== undefined) sleepMs = Math.min(sleepMs, this.idleWatch.nextCheckMs)
    sleepMs = Math.min(sleepMs, this.application.options.rateLimit?.waitMs() ?? Infinity)
    return Math.max(1, sleepMs)
  }

  private onAssigned(assignment: Uint8Array, member: GroupMember): void {
    this.wanted = { ...decodeAssignment(assignment), member, pause: pauseIn(assignment) }
    this.wake.signal()
  }

  private request(kind: ControlRequest['kind'], reason: string): Promise<void> {
    // When the worker lets go nothing is left to commit or to drop.
    if (this.lettingGo) return Promise.resolve()
    return new Promise((done) => {
      this.control.push({ kind, reason, done })
      this.wake.signal()
    })
  }

  private fail(error: Error): void {
    this.fatal = error
    this.wake.signal()
  }

  private async answer(request: ControlRequest): Promise<void> {
    const names = [...this.running.keys()]
    const context = this.commitContext()
    this.wanted = undefined
    this.assigned = undefined
    this.feeder.clear()
    if (request.kind === 'revoked') {
      try {
        await this.commits.commitAll(context)
        for (const { task } of this.running.values()) if (task.state === 'running') task.goTo('suspended')
      } catch (error) {
        this.tell(error)
        await this.dropTasks()
      }
      this.application.events.emit({ type: 'tasks-revoked', tasks: names })
    } else {
      this.application.events.emit({ type: 'tasks-lost', tasks: names, reason: request.reason })
      await this.dropTasks()
    }
    request.done()
  }

  /** Starts what the group has given us; tasks that were only suspended go on as they are. */
  private async startWanted(wanted: Wanted): Promise<void> {
    this.wanted = undefined
    if (wanted.pause !== undefined) return this.rest(wanted, wanted.pause)
    try {
      const { log, config, incarnation } = this.application
      // As a member: nobody can restore the application from now on.
      await refuseOldIncarnation(log, config.applicationId, incarnation)
      const names = new Set(wanted.active.map(taskName))
      for (const [name, running] of this.running) {
        if (names.has(name) && running.task.state === 'suspended') continue
        this.running.delete(name)
        await running.close('clean')
      }
      await this.standbys.reduceTo(wanted.standby)
      const missing = wanted.active.filter((id) => !this.running.has(taskName(id)))
      this.producer ??= await newWorkerProducer(this.application)
      const started = await startTasks({
        application: this.application,
        tasks: missing,
        producer: this.producer,
        member: wanted.member,
        memoryPerTaskBytes: this.application.config.stateMemoryBytes / Math.max(1, wanted.active.length),
        checkWanted: () => {
          if (this.control.length > 0 || this.stopping) throw new NotWantedError()
        },
      })
      for (const { task } of this.running.values()) task.goTo('running')
      for (const running of started) this.running.set(running.task.name, running)
      this.assigned = wanted
      this.feedTasks()
      this.standbys.keep(wanted.standby)
      this.failures = 0
    } catch (error) {
      if (error instanceof NotWantedError) return
      this.assigned = wanted
      this.failure = error
    }
  }

  /** Waits, everything committed and suspended, for what comes after the pause. */
  private rest(assigned: Wanted, pause: Pause): void {
    this.assigned = assigned
    this.idleWatch?.watch([])
    this.application.events.emit({ type: 'paused', pause })
    if (pause === 'stop') this.stop()
  }

  private feedTasks(): void {
    for (const running of this.running.values()) this.feeder.add(running)
    this.idleWatch?.watch(this.running.values())
    this.application.events.emit({ type: 'tasks-assigned', tasks: [...this.running.keys()] })
  }

  /** Drops everything in memory and starts again from what is committed; or stops, where that cannot help. */
  private async recover(): Promise<void> {
    const error = this.failure
    this.failure = undefined
    if (mustStop(error)) throw error
    this.tell(error)
    this.feeder.clear()
    await this.dropTasks()
    if (error instanceof CorruptedStateError) await this.wipeUnreadable()
    const backoffMs = Math.min(RECOVERY_BACKOFF_MS_MAX, 50 * 2 ** this.failures++)
    await sleep(this.clock, backoffMs)
    if (error instanceof FencedError) this.membership?.requestRejoin()
    else this.wanted ??= this.assigned
  }

  /** State that turned out to be damaged while it was read is removed, whichever task it was. */
  private async wipeUnreadable(): Promise<void> {
    for (const id of this.assigned?.active ?? []) await this.application.directory.wipe(taskName(id))
  }

  /** Forgets all tasks and the producer; commits nothing. */
  private async dropTasks(): Promise<void> {
    await this.commits.settle()
    const tasks = [...this.running.values()]
    this.running.clear()
    await Promise.all(tasks.map((running) => running.close('dirty')))
    const producer = this.producer
    this.producer = undefined
    await producer?.close().catch((error: unknown) => this.tell(error))
  }

  private async closeTasks(how: 'clean' | 'dirty'): Promise<void> {
    this.feeder.clear()
    const tasks = [...this.running.values()]
    this.running.clear()
    await Promise.all(tasks.map((running) => running.close(how)))
  }

  /** A last commit. Where it fails for a reason that can pass, whoever works the tasks next does the rest again. */
  private async finish(): Promise<void> {
    try {
      await this.commits.commitAll(this.commitContext())
      await this.closeTasks('clean')
    } catch (error) {
      if (mustStop(error)) throw error
      this.tell(error)
      await this.closeTasks('dirty')
    }
  }

  /** After an error that stops the worker: what was worked before it is committed, unless millrace itself is wrong. */
  private async abandon(error: unknown): Promise<void> {
    try {
      if (error instanceof FatalError && error.code === 'STAGE_FAILED') {
        await this.commits.commitAll(this.commitContext())
        await this.closeTasks('clean')
      }
    } catch (later) {
      this.tell(later)
    }
    await this.closeTasks('dirty').catch((later: unknown) => this.tell(later))
  }

  private async letGo(): Promise<void> {
    this.lettingGo = true
    for (const request of this.control.splice(0)) request.done()
    await this.membership?.leave().catch((error: unknown) => this.tell(error))
    await this.standbys.close()
    await this.producer?.close().catch((error: unknown) => this.tell(error))
    await this.reader.close()
  }

  private commitContext(): Parameters<CommitScheduler['commitIfDue']>[0] {
    return { tasks: [...this.running.values()], producer: this.producer, member: this.assigned?.member }
  }

  private tell(error: unknown): void {
    const event = { type: 'recovering', code: codeOf(error, 'UNKNOWN'), message: messageOf(error) } as const
    this.application.events.emit(event)
  }
}
