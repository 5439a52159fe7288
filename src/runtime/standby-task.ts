/**
 * A standby copy of one task's state: applied from the changelogs, committed records only, by who does not work the
 * task. Its checkpoints are those of an interrupted restore, from which the start of the task goes on as from any
 * other; so nothing has to be told when it takes over.
 *
 * ```
 *   reading the log ──> opening the store ──> open ──> closed
 *         └─────────────────────┴──────────────────────> closed
 * ```
 */
import { CorruptedStateError } from '../errors.ts'
import { partitionKey, type FetchedChunk, type Offset, type PartitionOffset } from '../log/log.ts'
import type { RecordCursor } from '../log/record-cursor.ts'
import type { StateBackend } from '../state/backend.ts'
import type { Application } from './application.ts'
import { ChangelogWindow } from './changelog-window.ts'
import { readNewest } from './commit-log.ts'
import { commitLogTopic } from './internal-topics.ts'
import { BETWEEN_COMMITS, checkpointOf, openState } from './restore.ts'
import { describeChangelogs } from './task-changelogs.ts'
import { taskName, type TaskId } from './task-id.ts'

/** How far the copy of one store is. */
export interface StandbyProgress {
  readonly task: string
  readonly store: string
  /** Next offset of the changelog to apply. */
  readonly position: Offset
  /** High watermark of the changelog as the last answer told it; `undefined` before the first. */
  readonly end: Offset | undefined
}

/** A checkpoint that says nothing new is written again after so long: an old one could not be caught up from. */
const REFRESH_MS = 3_600_000

/** A store with its changelog. */
interface Follower {
  readonly store: string
  readonly topicId: string
  readonly partition: { readonly topic: string; readonly partition: number }
  position: Offset
  window: ChangelogWindow
  end: Offset | undefined
  caughtUp: boolean
}

export class StandbyTask {
  readonly id: TaskId
  readonly name: string
  private readonly application: Application
  private followers: readonly Follower[] = []
  private backend: StateBackend | undefined
  private opening: Promise<void> | undefined
  private closing: Promise<void> | undefined
  private flushing: Promise<void> | undefined
  /** Something is to be written: entries, or positions. */
  private changed = false
  private writtenAtMs = 0

  constructor(application: Application, id: TaskId) {
    this.application = application
    this.id = id
    this.name = taskName(id)
  }

  /**
   * Opens the store; state that cannot be caught up from is removed, as at the start of a task. Resolves with where to
   * read the changelogs from, or with nothing when it was closed meanwhile.
   */
  async open(): Promise<readonly PartitionOffset[]> {
    const { application, id } = this
    const { log, topicPrefix } = application
    const commits = { topic: commitLogTopic(topicPrefix, id.subTopology), partition: id.partition }
    // As far as a commit can reach that is in the state on disk already: up to the stable offset it may be missing.
    const [end] = await log.offsets('end', [commits])
    const { latest } = await readNewest(log, commits, end!)
    const changelogs = await describeChangelogs(application, id)
    if (this.closing !== undefined) return []
    this.opening = this.openStore(latest, changelogs)
    await this.opening
    return this.followers.map(({ partition, position }) => ({ ...partition, offset: position }))
  }

  /** Whether every store has once been where its changelog was stable. */
  get hasCaughtUp(): boolean {
    return this.backend !== undefined && this.followers.every(({ caughtUp }) => caughtUp)
  }

  get progress(): readonly StandbyProgress[] {
    return this.followers.map(({ store, position, end }) => ({ task: this.name, store, position, end }))
  }

  /** Bytes and entries that wait to be written. */
  get waiting(): { readonly bytes: number; readonly keys: number } {
    return {
      bytes: this.followers.reduce((sum, { window }) => sum + window.bytes, 0),
      keys: this.followers.reduce((sum, { window }) => sum + window.keys, 0),
    }
  }

  /** Takes what was read of one of its changelogs. */
  take(chunk: FetchedChunk, cursor: RecordCursor): void {
    const key = partitionKey(chunk.partition)
    const follower = this.followers.find(({ partition }) => partitionKey(partition) === key)
    if (follower === undefined || this.closing !== undefined) return
    cursor.reset(chunk.batches)
    while (cursor.next()) follower.window.take(cursor)
    if (chunk.nextOffset > follower.position) this.changed = true
    follower.position = chunk.nextOffset
    follower.end = chunk.end
    follower.caughtUp ||= chunk.nextOffset >= chunk.stable
  }

  /** Whether something has waited for so long, by the wall clock, or the checkpoint grows old. */
  isFlushDue(intervalMs: number): boolean {
    const ageMs = this.application.clock.now() - this.writtenAtMs
    return ageMs >= (this.changed ? intervalMs : REFRESH_MS)
  }

  /** Writes what was taken, with a checkpoint, in one go. One at a time. */
  flush(): Promise<void> {
    this.flushing ??= this.write().finally(() => (this.flushing = undefined))
    return this.flushing
  }

  /**
   * Lets go of the store: with everything taken on disk; or, after `failure`, dropping it, and the store too where the
   * failure says that it is damaged. Idempotent, never rejects.
   */
  close(failure?: unknown): Promise<void> {
    this.closing ??= this.letGo(failure)
    return this.closing
  }

  private async openStore(
    latest: Awaited<ReturnType<typeof readNewest>>['latest'],
    changelogs: Awaited<ReturnType<typeof describeChangelogs>>,
  ): Promise<void> {
    const { clock, directory, fingerprint, events } = this.application
    const spec = { clock, directory, fingerprint, task: this.name, changelogs, latest }
    const { backend, positions, wipedBecause } = await openState(spec)
    this.backend = backend
    this.writtenAtMs = clock.now()
    this.followers = changelogs.map(({ store, topic, partition, description }) => ({
      store,
      topicId: description.topicId,
      partition: { topic, partition },
      position: BigInt(positions.get(store)!.offset),
      window: new ChangelogWindow(store),
      end: undefined,
      caughtUp: false,
    }))
    events.emit({ type: 'standby-started', task: this.name, wipedBecause })
  }

  private async write(): Promise<void> {
    if (this.backend === undefined) return
    const positions = this.followers.map(
      ({ store, topicId, position }) => [store, { topicId, offset: String(position) }] as const,
    )
    const writes = this.followers.flatMap(({ window }) => window.writes())
    for (const follower of this.followers) follower.window = new ChangelogWindow(follower.store)
    this.changed = false
    this.writtenAtMs = this.application.clock.now()
    const checkpoint = checkpointOf(this.application, BETWEEN_COMMITS, Object.fromEntries(positions))
    await this.backend.write(writes, checkpoint)
  }

  private async letGo(failure: unknown): Promise<void> {
    const { directory } = this.application
    let cause = failure
    try {
      await this.opening
      await this.flushing
      if (cause === undefined && this.changed) await this.write()
    } catch (error) {
      cause ??= error
    }
    try {
      await this.backend?.close()
      if (cause instanceof CorruptedStateError) await directory.wipe(this.name)
    } catch {
      // Whoever opens the store next finds out what is wrong with it.
    }
  }
}
