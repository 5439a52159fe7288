/** Finds the first offset at or after a time. */
import { RecordCursor } from '../record-cursor.ts'
import type { Engine } from './engine.ts'
import type { PartitionLog } from './partition-log.ts'
import { keyOf } from './storage-layout.ts'

/**
 * The first offset whose record timestamp is at or after `timestampMs`, records of open transactions included (their
 * outcome is not known, and to pass over one that is committed later would be wrong); the high watermark where there
 * is none. Walks the index and decodes the batches that hold such a record, usually one.
 */
export async function offsetAtTime(engine: Engine, log: PartitionLog, timestampMs: number): Promise<number> {
  const held = log.heldBatches().find(({ entry, buffer }) => {
    return entry.maxTimestampMs >= timestampMs && firstAt(buffer, log.start, timestampMs) !== null
  })
  const undecided = held === undefined ? null : firstAt(held.buffer, log.start, timestampMs)
  const end = undecided ?? log.end
  for (let from = log.start; from < end;) {
    const { entries, upTo } = await log.index.list(from, end)
    for (const entry of entries) {
      if (entry.maxTimestampMs < timestampMs) continue
      const buffer = await engine.get(keyOf.data(log.number, entry.base))
      const offset = buffer === undefined ? null : firstAt(buffer, log.start, timestampMs)
      if (offset !== null) return Math.min(offset, end)
    }
    from = upTo
  }
  return end
}

function firstAt(buffer: Buffer, start: number, timestampMs: number): number | null {
  const cursor = new RecordCursor()
  cursor.reset({ buffer, start: 0, end: buffer.length, fromOffset: BigInt(start) })
  while (cursor.next()) if (cursor.timestampMs >= timestampMs) return cursor.offsetNumber
  return null
}
