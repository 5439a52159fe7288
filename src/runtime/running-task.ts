/** A started task with what its worker keeps of it between commits. */
import type { Clock } from '../clock.ts'
import type { PartitionOffset } from '../log/log.ts'
import type { Fingerprint } from '../topology/fingerprint.ts'
import { encodeCheckpoint } from './checkpoint.ts'
import { commitKey } from './task-inputs-builder.ts'
import type { ChangelogPosition, CommitEntry } from './commit-entry.ts'
import type { Counts } from './counters.ts'
import { repartitionTopic } from './internal-topics.ts'
import { RecordCollector } from './record-collector.ts'
import type { StreamTask } from './task.ts'

export interface RunningTaskSpec {
  readonly topicPrefix: string
  readonly task: StreamTask
  readonly fingerprint: Fingerprint
  readonly clock: Clock
  readonly maxRecordBytes: number
  /** Changelog positions that the state stands at. */
  readonly positions: Readonly<Record<string, ChangelogPosition>>
  readonly closeBackend: () => Promise<void>
}

export class RunningTask {
  readonly topicPrefix: string
  readonly task: StreamTask
  /** Changelog entries of the commit being prepared. */
  readonly changelogs: RecordCollector
  /** When the commit log last got an entry for its history. */
  historyAtMs = -Infinity
  /** How many records the task had worked then. */
  historyWorked = 0
  private readonly spec: RunningTaskSpec
  private commitId: number
  /** Of the newest commit that succeeded. */
  private positions: Readonly<Record<string, ChangelogPosition>>
  private committedId: number
  private committedOffsets: CommitEntry['offsets'] = {}
  private committedCounts: Counts
  private flushedId: number
  private flushedAtMs: number
  private flushing: Promise<void> | undefined

  constructor(spec: RunningTaskSpec) {
    this.spec = spec
    this.topicPrefix = spec.topicPrefix
    this.task = spec.task
    this.changelogs = new RecordCollector(spec.maxRecordBytes)
    this.commitId = spec.task.parts.commitId
    this.committedId = this.commitId
    this.flushedId = this.commitId
    this.positions = spec.positions
    this.committedCounts = spec.task.parts.counters.snapshot()
    this.flushedAtMs = spec.clock.monotonic()
  }

  /** The newest commit that succeeded, here or where the task was before: its number, 0 for none, and its counts. */
  get newestCommit(): { readonly commitId: number; readonly counts: Counts } {
    return { commitId: this.committedId, counts: this.committedCounts }
  }

  /** Next offset of each input, in the partition the task reads. */
  inputOffsets(): readonly PartitionOffset[] {
    const { partition } = this.task.id
    const { sources, repartitions } = this.task.parts.built
    const offsets: PartitionOffset[] = []
    for (const [topic, source] of sources) offsets.push({ topic, partition, offset: BigInt(source.position) })
    for (const [node, input] of repartitions) {
      offsets.push({
        topic: repartitionTopic(this.topicPrefix, node),
        partition,
        offset: BigInt(input.position),
      })
    }
    return offsets
  }

  /** Where reading each input goes on. */
  fetchOffsets(): readonly PartitionOffset[] {
    const { partition } = this.task.id
    const { sources, repartitions } = this.task.parts.built
    const offsets: PartitionOffset[] = []
    for (const [topic, source] of sources)
      offsets.push({ topic, partition, offset: BigInt(source.fetchPosition) })
    for (const [node, input] of repartitions) {
      const topic = repartitionTopic(this.topicPrefix, node)
      offsets.push({ topic, partition, offset: BigInt(input.fetchPosition) })
    }
    return offsets
  }

  /** The entry of the next commit, with the changelog positions of the last one. Takes the decisions since. */
  nextEntry(): CommitEntry {
    this.commitId++
    const { task } = this
    const decisions = task.inputs.decisions
    task.inputs.decisions = []
    return this.entryNow(this.commitId, decisions)
  }

  /** The entry that describes where the task stands now. */
  entryNow(commitId: number, decisions: CommitEntry['decisions']): CommitEntry {
    const { task } = this
    const { sources, repartitions } = task.parts.built
    const offsets: Record<string, string> = {}
    for (const [topic, source] of sources) offsets[topic] = String(source.position)
    for (const [node, input] of repartitions) offsets[node] = String(input.position)
    return {
      formatVersion: 1,
      commitId,
      offsets,
      channels: task.parts.taskChannels.map((channel, number) => {
        const input = task.inputs.channels[number]!
        const own = input.state ?? SOURCE_STATE
        return {
          channel: commitKey(channel),
          watermarkMs: task.inputs.progress.watermarkMs(number),
          position: input.state?.position ?? input.position,
          takenThrough: own.takenThrough,
          withinSource: own.withinSource,
          endedRun: own.endedRun,
          endedWithFlush: own.endedWithFlush,
          idle: task.inputs.isIdle(number),
        }
      }),
      closedThroughMs: task.closer.closedThroughMs,
      operators: Object.fromEntries(task.closer.operators.map((windows) => [windows.name, windows.state])),
      changelogs: this.positions,
      counts: task.parts.counters.snapshot(),
      finishedRun: task.finishedRun,
      replayedDecisions: task.parts.replay?.appliedCount ?? 0,
      decisions,
    }
  }

  /** Repartition partitions with the offset below which everything is taken, as of the newest commit. */
  consumedRepartitions(): readonly PartitionOffset[] {
    const { partition } = this.task.id
    return [...this.task.parts.built.repartitions.keys()].flatMap((node) => {
      const offset = this.committedOffsets[node]
      const topic = repartitionTopic(this.topicPrefix, node)
      return offset === undefined ? [] : [{ topic, partition, offset: BigInt(offset) }]
    })
  }

  /** The commit of this entry has succeeded. */
  committed(entry: CommitEntry): void {
    this.committedOffsets = entry.offsets
    this.committedCounts = entry.counts
    this.positions = entry.changelogs
    this.committedId = entry.commitId
    this.task.parts.stores.transaction.committed()
  }

  /** Whether committed state waits for the disk long enough, or is much enough, to be flushed. */
  isFlushDue(intervalMs: number, entriesMax: number): boolean {
    if (this.flushing !== undefined || this.flushedId === this.committedId) return false
    const { transaction } = this.task.parts.stores
    return (
      transaction.flushCount >= entriesMax || this.spec.clock.monotonic() - this.flushedAtMs >= intervalMs
    )
  }

  /** Writes committed state to disk. One at a time; a call while one is under way waits for it and begins none. */
  flush(): Promise<void> {
    this.flushing ??= this.writeFlush().finally(() => (this.flushing = undefined))
    return this.flushing
  }

  /** Waits for a flush that is under way. */
  async settle(): Promise<void> {
    await this.flushing
  }

  /** Closes: with everything committed on disk, or, `dirty`, dropping what is in memory. */
  async close(how: 'clean' | 'dirty'): Promise<void> {
    try {
      await this.flushing?.catch(() => undefined)
      if (how === 'clean' && this.flushedId !== this.committedId) await this.writeFlush()
    } finally {
      this.task.goTo('closed')
      await this.spec.closeBackend()
    }
  }

  private async writeFlush(): Promise<void> {
    const commitId = this.committedId
    const { fingerprint, clock } = this.spec
    const checkpoint = {
      formatVersion: 1,
      commitId,
      changelogs: this.positions,
      fingerprint,
      writtenAtMs: clock.now(),
    } as const
    await this.task.parts.stores.flush(encodeCheckpoint(checkpoint))
    this.flushedId = commitId
    this.flushedAtMs = clock.monotonic()
  }
}

/** What a source channel has to say about being behind a repartition. */
const SOURCE_STATE = { takenThrough: 0, withinSource: false, endedRun: 0, endedWithFlush: false } as const
