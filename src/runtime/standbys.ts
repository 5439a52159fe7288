/**
 * The standby copies that an instance keeps, with a reader and a loop of their own: they follow the changelogs in small
 * portions and give way to the tasks in between. What goes wrong with a copy is mended by beginning it again, and
 * touches neither the tasks nor other copies.
 */
import { sleep, type Clock } from '../clock.ts'
import { codeOf, messageOf } from '../errors.ts'
import { partitionKey, type LogReader } from '../log/log.ts'
import { RecordCursor } from '../log/record-cursor.ts'
import type { Application } from './application.ts'
import { StandbyTask, type StandbyProgress } from './standby-task.ts'
import { taskName, type TaskId } from './task-id.ts'
import { Wake } from './wake.ts'

/** Read ahead of what is applied, over all copies; and the portion of one partition applied at a stretch. */
const PREFETCH_BYTES = 1024 * 1024
const PORTION_BYTES = 128 * 1024
/** Everything is written as soon as so much waits, over all copies. */
const WAITING_BYTES_MAX = 8 * 1024 * 1024
const WAITING_KEYS_MAX = 50_000
const POLL_MS = 200
const BACKOFF_MS = 500
const BACKOFF_MS_MAX = 30_000

/** A copy that is wanted. */
interface Kept {
  readonly id: TaskId
  task: StandbyTask
  /** Changelog partitions that are read for it; `undefined` while it is not open. */
  partitions: readonly string[] | undefined
  opening: boolean
  failures: number
  /** By the monotonic clock. */
  retryAtMs: number
}

export class Standbys {
  private readonly application: Application
  private readonly clock: Clock
  private readonly wake: Wake
  private readonly kept = new Map<string, Kept>()
  /** By changelog partition. */
  private readonly readers = new Map<string, Kept>()
  private readonly cursor = new RecordCursor()
  /** Copies given up whose store is not closed yet, by task name. */
  private readonly leaving = new Map<string, Promise<void>>()
  private reader: LogReader | undefined
  private loop: Promise<void> | undefined
  private closed = false

  constructor(application: Application) {
    this.application = application
    this.clock = application.clock
    this.wake = new Wake(application.clock)
  }

  /** The tasks that copies are kept of, and those whose copy has caught up. */
  get names(): { readonly all: readonly string[]; readonly caughtUp: readonly string[] } {
    const all = [...this.kept.keys()]
    return { all, caughtUp: all.filter((name) => this.kept.get(name)!.task.hasCaughtUp) }
  }

  get progress(): readonly StandbyProgress[] {
    return [...this.kept.values()].flatMap(({ task }) => task.progress)
  }

  /** Gives up every copy that is not of one of `tasks`; resolves when their stores are closed. Never rejects. */
  async reduceTo(tasks: readonly TaskId[]): Promise<void> {
    const names = new Set(tasks.map(taskName))
    for (const [name, kept] of [...this.kept]) if (!names.has(name)) this.giveUp(kept)
    await Promise.all(this.leaving.values())
  }

  /** Keeps copies of these tasks from now on; the state of none of them may be open. */
  keep(tasks: readonly TaskId[]): void {
    for (const id of tasks) {
      const name = taskName(id)
      if (this.closed || this.kept.has(name)) continue
      const task = new StandbyTask(this.application, id)
      const kept = { id, task, partitions: undefined, opening: false, failures: 0, retryAtMs: -Infinity }
      this.kept.set(name, kept)
    }
    this.begin()
    this.wake.signal()
  }

  /** Gives up all copies. Idempotent, never rejects. */
  async close(): Promise<void> {
    this.closed = true
    this.wake.signal()
    await this.reduceTo([])
    await this.reader?.close()
    await this.loop
  }

  private begin(): void {
    if (this.closed || this.kept.size === 0) return
    this.loop ??= this.run().finally(() => {
      this.loop = undefined
      this.begin()
    })
  }

  private async run(): Promise<void> {
    while (!this.closed && this.kept.size > 0) {
      try {
        this.openDue()
        if (this.readers.size === 0) await this.wake.wait(BACKOFF_MS)
        else {
          await this.apply()
          await this.flush(this.application.config.stateFlushIntervalMs)
        }
      } catch (error) {
        if (this.closed) return
        // The reader itself: all copies begin again, with another one.
        for (const kept of [...this.readers.values()]) this.failed(kept, error)
        await this.reader?.close().catch(() => undefined)
        this.reader = undefined
        await sleep(this.clock, BACKOFF_MS)
      }
    }
  }

  private openDue(): void {
    const nowMs = this.clock.monotonic()
    for (const kept of this.kept.values()) {
      if (kept.partitions !== undefined || kept.opening || kept.retryAtMs > nowMs) continue
      // A store that was given up and is wanted again is closed first.
      if (this.leaving.has(taskName(kept.id))) continue
      kept.opening = true
      void this.open(kept, kept.task)
    }
  }

  private async open(kept: Kept, task: StandbyTask): Promise<void> {
    try {
      const offsets = await task.open()
      if (this.kept.get(task.name)?.task !== task) return
      this.reader ??= this.application.log.reader({
        prefetchBytes: PREFETCH_BYTES,
        maxPartitionBytes: PORTION_BYTES,
      })
      kept.partitions = offsets.map(partitionKey)
      for (const { offset, ...partition } of offsets) {
        this.readers.set(partitionKey(partition), kept)
        this.reader.assign(partition, offset)
      }
    } catch (error) {
      if (this.kept.get(task.name)?.task === task) this.failed(kept, error)
    } finally {
      if (kept.task === task) kept.opening = false
      this.wake.signal()
    }
  }

  private async apply(): Promise<void> {
    const { chunks, failures } = await this.reader!.poll(POLL_MS)
    for (const { partition, error } of failures) {
      const kept = this.readers.get(partitionKey(partition))
      if (kept !== undefined) this.failed(kept, error)
    }
    for (const chunk of chunks) {
      const kept = this.readers.get(partitionKey(chunk.partition))
      if (kept === undefined) continue
      kept.task.take(chunk, this.cursor)
      if (kept.task.hasCaughtUp) kept.failures = 0
      if (this.isFull) await this.flush(0)
      await this.clock.yieldNow()
    }
  }

  private get isFull(): boolean {
    const kept = [...this.kept.values()]
    return sum(kept, 'bytes') >= WAITING_BYTES_MAX || sum(kept, 'keys') >= WAITING_KEYS_MAX
  }

  /** Writes every copy that has something to write for so long. */
  private async flush(intervalMs: number): Promise<void> {
    for (const kept of [...this.kept.values()]) {
      const { task } = kept
      if (kept.partitions === undefined || !task.isFlushDue(intervalMs)) continue
      try {
        await task.flush()
      } catch (error) {
        if (kept.task === task && this.kept.get(task.name) === kept) this.failed(kept, error)
      }
      await this.clock.yieldNow()
    }
  }

  /** Begins a copy again, later and later. */
  private failed(kept: Kept, error: unknown): void {
    const { task } = kept
    this.application.events.emit({
      type: 'standby-failed',
      task: task.name,
      code: codeOf(error, 'UNKNOWN'),
      message: messageOf(error),
    })
    this.unassign(kept)
    this.leave(task, error)
    kept.task = new StandbyTask(this.application, kept.id)
    kept.opening = false
    kept.retryAtMs = this.clock.monotonic() + Math.min(BACKOFF_MS_MAX, BACKOFF_MS * 2 ** kept.failures++)
  }

  private giveUp(kept: Kept): void {
    this.kept.delete(kept.task.name)
    this.unassign(kept)
    this.leave(kept.task)
  }

  private unassign(kept: Kept): void {
    for (const [partition, reader] of [...this.readers]) {
      if (reader !== kept) continue
      this.readers.delete(partition)
      const at = partition.lastIndexOf('/')
      this.reader?.unassign({ topic: partition.slice(0, at), partition: Number(partition.slice(at + 1)) })
    }
    kept.partitions = undefined
  }

  private leave(task: StandbyTask, failure?: unknown): void {
    const before = this.leaving.get(task.name)
    const left = Promise.all([before, task.close(failure)]).then(() => {
      if (this.leaving.get(task.name) === left) this.leaving.delete(task.name)
    })
    this.leaving.set(task.name, left)
  }
}

function sum(kept: readonly Kept[], what: 'bytes' | 'keys'): number {
  return kept.reduce((total, { task }) => total + task.waiting[what], 0)
}
