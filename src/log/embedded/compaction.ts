/** Compaction of one partition: of each key the newest record stays. */
import type { Clock } from '../../clock.ts'
import { RecordCursor } from '../record-cursor.ts'
import { filterBatch } from './batch-filter.ts'
import type { Engine, EngineOp } from './engine.ts'
import { indexEntryOf, type PartitionLog } from './partition-log.ts'
import { keyOf, type IndexEntry } from './storage-layout.ts'
import { put } from './stored-entries.ts'
import type { WriteQueue } from './write-queue.ts'

/** What compaction works with, and its bounds. */
export interface CompactionParts {
  readonly engine: Engine
  readonly queue: WriteQueue
  readonly clock: Clock
  /** Data worked on between two turns of the event loop. */
  readonly sliceBytes: number
  /** Keys remembered at once; more are worked in several passes. */
  readonly maxKeys: number
  /** Becomes true when the work is to end soon. */
  readonly stopping: () => boolean
}

interface Change {
  readonly base: number
  readonly entry: IndexEntry | null
  readonly ops: readonly EngineOp[]
}

/**
 * Two steps, each in slices: note the newest offset of each key in what was written since the last time, then go over
 * the whole partition from its start and drop what a later record of the same key outdates. A tombstone goes when it
 * has stood for the topic's `deleteRetentionMs` since compaction first met it; what it outdates is gone by then.
 * Only records below the last stable offset take part, so nothing is outdated by a record that may yet vanish.
 *
 * Each batch is replaced or removed together with its index entry, by itself: a crash at any moment leaves a log that
 * is only less compacted. False when it was stopped or met a batch that cannot be read.
 */
export async function compactPartition(log: PartitionLog, parts: CompactionParts): Promise<boolean> {
  for (;;) {
    const stable = log.lastStable
    const from = Math.max(log.cleanedTo, log.start)
    const newest = new Map<string, number>()
    const upTo = await noteNewest(log, from, stable, newest, parts)
    if (upTo === null || !(await dropOutdated(log, upTo, newest, parts))) return false
    log.cleanedTo = upTo
    if (!log.deleted) await parts.queue.write([put.partition(log.number, log.entry())], { sync: false })
    if (upTo >= stable) return true
  }
}

/** How far the notes reach: to `to`, or to where there were too many keys. Null when stopped. */
async function noteNewest(
  log: PartitionLog,
  from: number,
  to: number,
  newest: Map<string, number>,
  parts: CompactionParts,
): Promise<number | null> {
  const cursor = new RecordCursor()
  return walk(log, from, to, parts, (entry, buffer) => {
    if (newest.size >= parts.maxKeys) return Promise.resolve(entry.base)
    cursor.reset({ buffer, start: 0, end: buffer.length, fromOffset: 0n })
    while (cursor.next()) newest.set(keyTextOf(cursor), cursor.offsetNumber)
    return Promise.resolve(null)
  })
}

async function dropOutdated(
  log: PartitionLog,
  to: number,
  newest: ReadonlyMap<string, number>,
  parts: CompactionParts,
): Promise<boolean> {
  let changes: Change[] = []
  let bytes = 0
  const flush = async (): Promise<void> => {
    const written = changes
    changes = []
    bytes = 0
    if (written.length === 0 || log.deleted) return
    await parts.queue.write(
      written.flatMap(({ ops }) => ops),
      { sync: false },
    )
    for (const { base, entry } of written) log.index.replaced(base, entry)
  }
  const reached = await walk(log, log.start, to, parts, async (entry, buffer) => {
    const change = outdate(log, entry, buffer, newest, parts.clock.now())
    if (change !== null) {
      changes.push(change)
      bytes += change.entry?.bytes ?? 0
    }
    if (bytes >= parts.sliceBytes || changes.length >= 1000) await flush()
    return null
  })
  await flush()
  return reached !== null
}

function outdate(
  log: PartitionLog,
  entry: IndexEntry,
  buffer: Buffer,
  newest: ReadonlyMap<string, number>,
  nowMs: number,
): Change | null {
  const { base, tombstonesUntilMs } = entry
  let tombstones = false
  const expired = tombstonesUntilMs > 0 && nowMs > tombstonesUntilMs
  const kept = filterBatch(buffer, (record) => {
    const later = newest.get(keyTextOf(record))
    if (later !== undefined && later > record.offsetNumber) return false
    if (record.valueEnd >= 0) return true
    tombstones ||= !expired
    return !expired
  })
  if (kept === null) {
    const ops = [
      { key: keyOf.data(log.number, base), value: null },
      { key: keyOf.index(log.number, base), value: null },
    ]
    return { base, entry: null, ops }
  }
  const untilMs = tombstones ? tombstonesUntilMs || nowMs + log.topic.settings.deleteRetentionMs : 0
  if (kept === buffer && untilMs === tombstonesUntilMs) return null
  const changed = indexEntryOf(kept, base, untilMs)
  const index = put.index(log.number, changed)
  return { base, entry: changed, ops: kept === buffer ? [index] : [put.data(log.number, base, kept), index] }
}

/**
 * Calls `visit` for the batches in `[from, to)`, in slices, until it answers an offset, which is answered; else `to`.
 * Null when stopped, or a batch cannot be read.
 */
async function walk(
  log: PartitionLog,
  from: number,
  to: number,
  { engine, clock, sliceBytes, stopping }: CompactionParts,
  visit: (entry: IndexEntry, buffer: Buffer) => Promise<number | null>,
): Promise<number | null> {
  for (let at = from; at < to;) {
    const { entries, upTo } = await log.index.list(at, to)
    at = upTo
    for (let next = 0; next < entries.length;) {
      const slice = sliceOf(entries, next, sliceBytes)
      next += slice.length
      await clock.yieldNow()
      if (stopping() || log.deleted) return null
      const blobs = await engine.getMany(slice.map(({ base }) => keyOf.data(log.number, base)))
      for (const [i, entry] of slice.entries()) {
        const buffer = blobs[i]
        if (buffer === undefined) return null
        const reached = await visit(entry, buffer)
        if (reached !== null) return reached
      }
    }
  }
  return to
}

function sliceOf(entries: readonly IndexEntry[], from: number, sliceBytes: number): readonly IndexEntry[] {
  let bytes = 0
  let to = from
  while (to < entries.length && (to === from || bytes + entries[to]!.bytes <= sliceBytes)) {
    bytes += entries[to]!.bytes
    to += 1
  }
  return entries.slice(from, to)
}

/** One character a byte: exact, and cheaper than any other key of a Map. */
function keyTextOf(record: RecordCursor): string {
  return record.keyEnd < 0 ? '' : record.buffer.toString('latin1', record.keyStart, record.keyEnd)
}
