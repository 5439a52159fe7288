/**
 * Watches source partitions for silence, by the wall clock. What it finds is only a proposal: the task decides and
 * records it. A partition is idle when its position has equalled its end for the whole time-out, which is asked of the
 * log before it is believed; restoring and rebalancing do not count, since watching begins when a task runs.
 */
import type { Clock } from '../clock.ts'
import type { Log } from '../log/log.ts'
import type { RunningTask } from './running-task.ts'
import type { SourceChannel } from './source-channel.ts'

interface Watched {
  readonly running: RunningTask
  readonly topic: string
  readonly source: SourceChannel
  /** Since when nothing has come, by the monotonic clock. */
  quietSinceMs: number
  position: number
}

export class IdleWatch {
  private readonly log: Log
  private readonly clock: Clock
  private readonly idleTimeoutMs: number
  private readonly closeAfterSilenceMs: number | null
  private watched: Watched[] = []
  private tasks: readonly RunningTask[] = []
  private readonly silentSinceMs = new Map<RunningTask, number>()

  constructor(log: Log, clock: Clock, idleTimeoutMs: number, closeAfterSilenceMs: number | null) {
    this.log = log
    this.clock = clock
    this.idleTimeoutMs = idleTimeoutMs
    this.closeAfterSilenceMs = closeAfterSilenceMs
  }

  /** Watches the source partitions of these tasks from now on, and no others. */
  watch(tasks: Iterable<RunningTask>): void {
    const now = this.clock.monotonic()
    this.silentSinceMs.clear()
    this.tasks = [...tasks]
    this.watched = this.tasks.flatMap((running) =>
      [...running.task.parts.built.sources].map(([topic, source]) => ({
        running,
        topic,
        source,
        quietSinceMs: now,
        position: source.fetchPosition,
      })),
    )
  }

  /** Notices what has changed since it was last called; cheap, and to be called often: silence counts from there. */
  look(): void {
    for (const watched of this.watched) this.notice(watched)
    if (this.closeAfterSilenceMs === null) return
    const now = this.clock.monotonic()
    for (const running of this.tasks) {
      if (!running.task.inputs.allIdle) this.silentSinceMs.delete(running)
      else if (!this.silentSinceMs.has(running)) this.silentSinceMs.set(running, now)
    }
  }

  /** Until when nothing can change, in milliseconds from now. */
  get nextCheckMs(): number {
    const now = this.clock.monotonic()
    let next = Infinity
    for (const { running, source, quietSinceMs } of this.watched) {
      if (!running.task.inputs.isIdle(source.origin.channel))
        next = Math.min(next, quietSinceMs + this.idleTimeoutMs)
    }
    for (const since of this.silentSinceMs.values()) next = Math.min(next, since + this.closeAfterSilenceMs!)
    return Math.max(1, next - now)
  }

  /** As `check`, once it may change anything. */
  async checkIfDue(): Promise<boolean> {
    return this.nextCheckMs <= 1 && (await this.check())
  }

  /** Looks at every partition, and has idle ones decided about. True when something was decided. */
  async check(): Promise<boolean> {
    const due = this.watched.filter((watched) => this.isQuiet(watched))
    let decided = false
    for (const watched of due) {
      const { running, topic, source } = watched
      const { partition } = running.task.id
      const [end] = await this.log.offsets('end', [{ topic, partition }])
      const stillThere = running.task.state === 'running' && source.peek() === undefined
      if (!stillThere || end !== BigInt(source.fetchPosition)) {
        watched.quietSinceMs = this.clock.monotonic()
        continue
      }
      decided = running.task.inputs.decideIdle(source.origin.channel) || decided
    }
    this.look()
    return this.closeSilent() || decided
  }

  private isQuiet(watched: Watched): boolean {
    const { running, source } = watched
    if (this.notice(watched)) return false
    if (running.task.inputs.isIdle(source.origin.channel)) return false
    return this.clock.monotonic() - watched.quietSinceMs >= this.idleTimeoutMs
  }

  /** Whether something has come, or waits to be worked. */
  private notice(watched: Watched): boolean {
    const { source } = watched
    if (source.fetchPosition === watched.position && source.peek() === undefined) return false
    watched.position = source.fetchPosition
    watched.quietSinceMs = this.clock.monotonic()
    return true
  }

  private closeSilent(): boolean {
    if (this.closeAfterSilenceMs === null) return false
    const now = this.clock.monotonic()
    let closed = false
    for (const [running, sinceMs] of this.silentSinceMs) {
      if (now - sinceMs < this.closeAfterSilenceMs) continue
      running.task.closeAfterSilence()
      this.silentSinceMs.set(running, Infinity)
      closed = true
    }
    return closed
  }
}
