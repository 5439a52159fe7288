/** What a log does beside its work: compaction, retention, and taking away what nobody can read any more. */
import type { Clock, Timer } from '../../clock.ts'
import { FatalError, RecordError } from '../../errors.ts'
import { compactPartition } from './compaction.ts'
import type { Engine, EngineOp } from './engine.ts'
import type { PartitionLog } from './partition-log.ts'
import { keyOf, numberOfKey, rangeOf } from './storage-layout.ts'
import { put, read } from './stored-entries.ts'
import type { TopicRegistry } from './topic-registry.ts'
import type { WriteQueue } from './write-queue.ts'

/** When and how compaction and retention work. */
export interface CleaningOptions {
  /**
   * A compacted partition is compacted when so many bytes were committed since the last time, and no fewer than the
   * last time left. Default 16 MiB.
   */
  readonly dirtyBytes?: number
  /** How often retention is looked at. Default 30,000. */
  readonly intervalMs?: number
  /** Data worked on between two turns of the event loop. Default 128 KiB. */
  readonly sliceBytes?: number
  /** Keys remembered at once. Default 500,000. */
  readonly maxKeys?: number
}

/** What a cleaner works on. */
export interface CleanerParts {
  readonly engine: Engine
  readonly queue: WriteQueue
  readonly clock: Clock
  readonly topics: TopicRegistry
}

/** Entries removed by one write. */
const REMOVED_AT_ONCE = 1000
/** Where so much was removed from one partition, the engine is asked to give the space back. */
const RECLAIM_BYTES = 64 * 1_048_576

/**
 * Works on one thing at a time, in slices between which the event loop and commits go on. Everything it does may be
 * interrupted at any moment, by a crash too, and is taken up again.
 */
export class Cleaner {
  private readonly parts: CleanerParts
  private readonly options: Required<CleaningOptions>
  private running: Promise<void> | null = null
  private again = false
  private stopped = false
  private timer: Timer | null = null
  private garbage = true
  /** Everything below was removed from the engine. */
  private readonly removedTo = new WeakMap<PartitionLog, number>()
  /** Bytes that the last compaction left. */
  private readonly cleanBytes = new WeakMap<PartitionLog, number>()
  private readonly unreadable = new WeakSet<PartitionLog>()

  constructor(parts: CleanerParts, options: CleaningOptions = {}) {
    this.parts = parts
    this.options = {
      dirtyBytes: options.dirtyBytes ?? 16 * 1_048_576,
      intervalMs: options.intervalMs ?? 30_000,
      sliceBytes: options.sliceBytes ?? 131_072,
      maxKeys: options.maxKeys ?? 500_000,
    }
  }

  /** Something became visible: compaction or retention may be due some day. */
  committed(partition: PartitionLog, bytes: number): void {
    const { cleanup, retentionMs } = partition.topic.settings
    if (cleanup === 'compact') {
      if (partition.dirtyBytes !== null) partition.dirtyBytes += bytes
      if (partition.dirtyBytes === null || this.isDirty(partition)) this.start()
    } else if (retentionMs >= 0) {
      this.armTimer()
    }
  }

  /** A start was raised, or a topic deleted. */
  removable(garbage = false): void {
    this.garbage ||= garbage
    this.start()
  }

  /** Does all that can be done now, thresholds aside. */
  async clean(): Promise<void> {
    while (this.running !== null) await this.running
    await this.begin(() => this.pass(true))
  }

  /** Ends at the next slice; resolves when nothing is asked of the engine any more. */
  async stop(): Promise<void> {
    this.stopped = true
    this.timer?.cancel()
    await this.running?.catch(() => undefined)
  }

  private start(): void {
    this.again = true
    if (this.stopped || this.running !== null) return
    void this.begin(async () => {
      // After the present turn: whoever gave the occasion is not held up.
      await this.parts.clock.yieldNow()
      this.again = false
      if (!this.stopped) await this.pass(false)
    })
  }

  private begin(work: () => Promise<void>): Promise<void> {
    this.running = work().finally(() => {
      this.running = null
      if (this.again) this.start()
    })
    return this.running
  }

  private armTimer(): void {
    if (this.timer !== null || this.stopped) return
    this.timer = this.parts.clock.schedule(
      this.options.intervalMs,
      () => {
        this.timer = null
        this.start()
      },
      { background: true },
    )
  }

  private async pass(everything: boolean): Promise<void> {
    try {
      if (this.garbage) await this.removeGarbage()
      for (const partition of this.parts.topics.all()) {
        if (this.stopped) return
        const { cleanup, retentionMs } = partition.topic.settings
        if (cleanup === 'delete' && retentionMs >= 0) await this.expire(partition)
        await this.removeBelowStart(partition)
        if (cleanup === 'compact') await this.compact(partition, everything)
      }
    } catch (error) {
      // What cannot be read or written any more is told to those who read and commit.
      if (!(error instanceof FatalError)) throw error
    }
  }

  private async compact(partition: PartitionLog, always: boolean): Promise<void> {
    if (this.unreadable.has(partition)) return
    if (partition.dirtyBytes === null) await this.measure(partition)
    if (!always && !this.isDirty(partition)) return
    const { engine, queue, clock } = this.parts
    const { sliceBytes, maxKeys } = this.options
    const stopping = (): boolean => this.stopped
    try {
      await compactPartition(partition, { engine, queue, clock, sliceBytes, maxKeys, stopping })
    } catch (error) {
      if (!(error instanceof RecordError)) throw error
      this.unreadable.add(partition)
    }
    await this.measure(partition)
  }

  private isDirty(partition: PartitionLog): boolean {
    const dirty = partition.dirtyBytes ?? 0
    return dirty >= this.options.dirtyBytes && dirty >= (this.cleanBytes.get(partition) ?? 0)
  }

  /** Counts the bytes below and above where compaction has been. */
  private async measure(partition: PartitionLog): Promise<void> {
    let [clean, dirty] = [0, 0]
    for (let at = partition.start; at < partition.end;) {
      if (this.stopped) return
      const { entries, upTo } = await partition.index.list(at, partition.end)
      for (const { base, bytes } of entries) {
        if (base < partition.cleanedTo) clean += bytes
        else dirty += bytes
      }
      at = upTo
      await this.parts.clock.yieldNow()
    }
    this.cleanBytes.set(partition, clean)
    partition.dirtyBytes = dirty
  }

  /** Raises the start over the batches at the front that are older than the topic keeps. */
  private async expire(partition: PartitionLog): Promise<void> {
    const { clock, queue } = this.parts
    const before = clock.now() - partition.topic.settings.retentionMs
    let start = partition.start
    for (let at = start; at < partition.lastStable;) {
      const { entries, upTo } = await partition.index.list(at, partition.lastStable)
      at = upTo
      const kept = entries.find((entry) => entry.maxTimestampMs >= before)
      start = kept?.base ?? upTo
      if (kept !== undefined) break
    }
    if (start < partition.end) this.armTimer()
    if (!partition.deleted && partition.raiseStart(start)) {
      await queue.write([put.partition(partition.number, partition.entry())], { sync: false })
    }
  }

  private async removeBelowStart(partition: PartitionLog): Promise<void> {
    const from = this.removedTo.get(partition) ?? 0
    const { start, number } = partition
    if (start <= from) return
    let bytes = 0
    let at = from
    while (!this.stopped && !partition.deleted) {
      const range = rangeOf.index(number, at, start)
      const found = await this.parts.engine.scan({ ...range, limit: REMOVED_AT_ONCE })
      const entries = found.map((entry) => read.index(entry))
      const gone = entries.filter(({ last }) => last < start)
      for (const entry of gone) bytes += entry.bytes
      await this.remove(gone.flatMap(({ base }) => [keyOf.data(number, base), keyOf.index(number, base)]))
      for (const { base } of gone) partition.index.replaced(base, null)
      if (found.length < REMOVED_AT_ONCE || gone.length < entries.length) {
        this.removedTo.set(partition, start)
        break
      }
      at = entries.at(-1)!.last + 1
    }
    if (bytes >= RECLAIM_BYTES) {
      const { from: low, to: high } = rangeOf.data(number, 0, start)
      await this.parts.engine.reclaim(low, high)
    }
  }

  /** Takes the data of deleted topics away. */
  private async removeGarbage(): Promise<void> {
    const { engine } = this.parts
    const garbage = await engine.scan({ ...rangeOf.garbage, limit: Number.MAX_SAFE_INTEGER })
    for (const { key } of garbage) {
      const number = numberOfKey(key)
      const index = rangeOf.index(number)
      for (;;) {
        if (this.stopped) return
        const found = await engine.scan({ ...index, limit: REMOVED_AT_ONCE })
        const bases = found.map((entry) => read.index(entry).base)
        await this.remove(bases.flatMap((base) => [keyOf.data(number, base), keyOf.index(number, base)]))
        if (found.length < REMOVED_AT_ONCE) break
      }
      await this.remove([key])
      const { from, to } = rangeOf.data(number)
      await engine.reclaim(from, to)
    }
    this.garbage = false
  }

  private async remove(keys: readonly Buffer[]): Promise<void> {
    if (keys.length === 0) return
    const ops = keys.map((key): EngineOp => ({ key, value: null }))
    await this.parts.queue.write(ops, { sync: false })
    await this.parts.clock.yieldNow()
  }
}
