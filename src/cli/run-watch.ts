/** Shows what a running application does: events as log lines, progress as bars, a line every ten seconds. */
import type { Timer } from '../clock.ts'
import { messageOf } from '../errors.ts'
import type { Log } from '../log/log.ts'
import type { StreamsEvent } from '../runtime/events.ts'
import type { WatchedApp } from '../web/observed-app.ts'
import type { CommandContext } from './command.ts'
import type { Progress } from './terminal.ts'
import { counted, formatCount, formatTime } from './text.ts'

/** Time between two lines of a run that has no end. */
const REPORT_MS = 10_000
/** How often the bar of a bounded run moves. */
const BAR_MS = 100

/** What an instance has done by a moment. */
interface Reading {
  readonly worked: number
  readonly atMs: number
}

/** Watches from its making until `end`. */
export class RunWatch {
  /** Whether the bounded run has come to its end here. */
  finished = false
  private readonly context: CommandContext
  private readonly app: WatchedApp
  private readonly log: Log
  private readonly bounded: boolean
  private readonly restores = new Map<string, Progress>()
  private restoreToldMs: number
  private readonly bar: Progress
  private readonly subscription: { unsubscribe(): void }
  /** Where each input of the bounded run stood when it was first seen. */
  private readonly starts = new Map<string, bigint>()
  private timer: Timer | undefined
  private ended = false
  private last: Reading
  /** Records worked by tasks that are no longer here. */
  private workedBefore = 0
  private readonly workedByTask = new Map<string, number>()

  constructor(context: CommandContext, app: WatchedApp, log: Log, bounded: boolean) {
    this.context = context
    this.bounded = bounded
    this.app = app
    this.log = log
    this.last = { worked: 0, atMs: context.clock.monotonic() }
    this.restoreToldMs = this.last.atMs
    this.bar = context.terminal.progress('aggregating')
    this.subscription = app.events.subscribe((event) => this.take(event))
    this.moveBar()
    this.reportLater()
  }

  /** Stops watching and removes the bars. */
  end(): void {
    this.ended = true
    this.subscription.unsubscribe()
    this.timer?.cancel()
    this.bar.end()
    for (const bar of this.restores.values()) bar.end()
  }

  private take(event: StreamsEvent): void {
    const { logger } = this.context
    // A run that ends soon has its bar and its summary; what goes on for days has its log.
    const level = this.bounded ? 'debug' : 'info'
    switch (event.type) {
      case 'state':
        return logger[level]({ state: event.state }, 'application')
      case 'tasks-assigned':
        return logger[level]({ tasks: event.tasks.join(' ') }, 'tasks assigned')
      case 'tasks-revoked':
        return logger[level]({ tasks: event.tasks.join(' ') }, 'tasks given up for a rebalance')
      case 'tasks-lost':
        return logger.warn({ tasks: event.tasks.join(' '), reason: event.reason }, 'tasks lost to others')
      case 'restore-progress':
        return this.restore(event)
      case 'task-started':
        return this.started(event)
      case 'standby-started':
        return this.standbyStarted(event)
      case 'standby-failed':
        return logger.warn(
          { task: event.task, code: event.code, reason: event.message },
          'a standby copy is begun again',
        )
      case 'committed':
        return logger.debug(
          { tasks: event.tasks, records: event.records, ms: Math.round(event.durationMs) },
          'committed',
        )
      case 'paused':
        return logger[level](
          { then: event.pause === 'stop' ? 'end' : 'go on' },
          'held while a savepoint is taken',
        )
      case 'run-finished':
        this.finished = true
        return logger[level]({ run: event.run }, 'end reached')
      case 'recovering':
        return logger.warn(
          { code: event.code, reason: event.message },
          'starting again from what is committed',
        )
      case 'warning':
        return logger.warn(event.message)
    }
  }

  private restore({ task, store, restored, total }: StreamsEvent & { type: 'restore-progress' }): void {
    const name = `${task}/${store}`
    const bar = this.restores.get(name) ?? this.context.terminal.progress(`restoring ${name}`)
    this.restores.set(name, bar)
    this.tellRestore({ task, store, restored: Number(restored), total: Number(total) })
    bar.update(Number(restored), Number(total), `${formatCount(restored)} entries`)
    if (restored < total) return
    bar.end()
    this.restores.delete(name)
  }

  /** Where nobody sees the bar, a long restore says now and then how far it is. */
  private tellRestore(progress: object): void {
    const { logger, clock, terminal } = this.context
    const nowMs = clock.monotonic()
    const due = !terminal.isLive && nowMs - this.restoreToldMs >= REPORT_MS
    if (due) this.restoreToldMs = nowMs
    logger[due ? 'info' : 'debug'](progress, 'restoring')
  }

  private started({ task, replayed, wipedBecause, commitId }: StreamsEvent & { type: 'task-started' }): void {
    const { logger } = this.context
    if (wipedBecause !== undefined) {
      logger.warn({ task, reason: wipedBecause }, 'local state was removed and restored from the changelog')
    }
    logger[this.bounded ? 'debug' : 'info']({ task, replayed, afterCommit: commitId }, 'task started')
  }

  private standbyStarted({ task, wipedBecause }: StreamsEvent & { type: 'standby-started' }): void {
    const { logger } = this.context
    if (wipedBecause !== undefined) {
      logger.warn({ task, reason: wipedBecause }, 'a standby copy was removed and is made anew')
    }
    logger[this.bounded ? 'debug' : 'info']({ task }, 'standby copy kept')
  }

  /** Positions against the ends of the bounded run, from where this run began. */
  private moveBar(): void {
    if (!this.context.terminal.isLive) return
    this.context.clock.schedule(
      BAR_MS,
      () => {
        if (this.ended) return
        const { done, total } = this.boundedProgress()
        if (total > 0n) this.bar.update(Number(done), Number(total), counted(this.worked(), 'record'))
        this.moveBar()
      },
      { background: true },
    )
  }

  private boundedProgress(): { done: bigint; total: bigint } {
    let [done, total] = [0n, 0n]
    for (const { inputs } of this.app.progress) {
      for (const { topic, partition, offset, runEnd } of inputs) {
        if (runEnd === undefined) continue
        const name = `${topic}/${partition}`
        const start = this.starts.get(name) ?? offset
        this.starts.set(name, start)
        total += runEnd - start
        done += (offset < runEnd ? offset : runEnd) - start
      }
    }
    return { done, total }
  }

  private reportLater(): void {
    this.timer = this.context.clock.schedule(
      REPORT_MS,
      () => {
        this.report()
          .catch((error: unknown) => this.context.logger.debug({ reason: messageOf(error) }, 'no report'))
          .finally(() => {
            if (!this.ended) this.reportLater()
          })
      },
      { background: true },
    )
  }

  private async report(): Promise<void> {
    const tasks = this.app.progress
    const now = { worked: this.worked(), atMs: this.context.clock.monotonic() }
    const seconds = (now.atMs - this.last.atMs) / 1000
    const perSecond = (now.worked - this.last.worked) / Math.max(seconds, 0.001)
    this.last = now
    if (tasks.length === 0) {
      this.context.logger.info('no tasks here: another instance works them')
      return
    }
    const inputs = tasks.flatMap((task) => task.inputs)
    const ends = await this.log.offsets('end', inputs)
    const lag = inputs.reduce((sum, { offset }, index) => sum + ((ends[index] ?? offset) - offset), 0n)
    const watermarkMs = Math.min(...tasks.map((task) => task.watermarkMs))
    this.context.logger.info(
      { readingsPerSecond: Math.round(perSecond), lag: Number(lag), watermark: formatTime(watermarkMs) },
      'progress',
    )
  }

  /** Records worked here so far, also by tasks that have gone since. */
  private worked(): number {
    let sum = this.workedBefore
    const present = new Map(this.app.progress.map(({ task, worked }) => [task, worked]))
    for (const [task, worked] of this.workedByTask) {
      // A task that began anew counts from 0 again.
      if ((present.get(task) ?? -1) < worked) {
        sum += worked
        this.workedBefore += worked
        this.workedByTask.delete(task)
      }
    }
    for (const [task, worked] of present) {
      this.workedByTask.set(task, worked)
      sum += worked
    }
    return sum
  }
}
