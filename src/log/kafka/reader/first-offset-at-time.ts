/** Finds the first record of a time by reading. */
import type { LogReader, Offset, TopicPartition } from '../../log.ts'
import { RecordCursor } from '../../record-cursor.ts'

const POLL_MS = 1_000

/**
 * The first committed record at or after `from` whose timestamp is at or after `timestampMs`; where there is none, the
 * last stable offset: behind it are records that may yet become visible, or none. The reader reads nothing else.
 */
export async function firstOffsetAtTime(
  reader: LogReader,
  partition: TopicPartition,
  from: Offset,
  timestampMs: number,
): Promise<Offset> {
  const cursor = new RecordCursor()
  reader.assign(partition, from)
  for (;;) {
    const { chunks, failures } = await reader.poll(POLL_MS)
    for (const { error } of failures) throw error
    for (const { batches, nextOffset, stable } of chunks) {
      cursor.reset(batches)
      while (cursor.next()) if (cursor.timestampMs >= timestampMs) return cursor.offset
      if (nextOffset >= stable) return nextOffset
    }
  }
}
