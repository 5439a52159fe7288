/** Takes records out of a stored batch. */
import {
  ATTRIBUTES_AT,
  BATCH_HEADER_BYTES,
  BATCH_OVERHEAD_BYTES,
  CRC_AT,
  LENGTH_AT,
  LOG_APPEND_TIME,
  MAX_TIMESTAMP_AT,
  RECORD_COUNT_AT,
  writeInt64,
} from '../batch-format.ts'
import { crc32c } from '../../crc32c.ts'
import { RecordCursor } from '../record-cursor.ts'

/**
 * A batch with the records only for which `keep` says so, as Kafka's cleaner writes it: records keep their offsets
 * and bytes, the batch its base and last offset, so that gaps appear inside. `batch` itself when all are kept, null
 * when none is.
 */
export function filterBatch(batch: Buffer, keep: (record: RecordCursor) => boolean): Buffer | null {
  const cursor = new RecordCursor()
  cursor.reset({ buffer: batch, start: 0, end: batch.length, fromOffset: 0n })
  const kept: Buffer[] = []
  let total = 0
  let maxTimestampMs = -1
  while (cursor.next()) {
    total += 1
    if (!keep(cursor)) continue
    if (kept.length === 0 || cursor.timestampMs > maxTimestampMs) maxTimestampMs = cursor.timestampMs
    kept.push(batch.subarray(cursor.recordStart, cursor.recordEnd))
  }
  if (kept.length === total) return batch
  if (kept.length === 0) return null
  const filtered = Buffer.concat([batch.subarray(0, BATCH_HEADER_BYTES), ...kept])
  filtered.writeInt32BE(filtered.length - BATCH_OVERHEAD_BYTES, LENGTH_AT)
  filtered.writeInt32BE(kept.length, RECORD_COUNT_AT)
  const stamped = (filtered.readInt16BE(ATTRIBUTES_AT) & LOG_APPEND_TIME) !== 0
  if (!stamped) writeInt64(filtered, maxTimestampMs, MAX_TIMESTAMP_AT)
  filtered.writeUInt32BE(crc32c(filtered, ATTRIBUTES_AT), CRC_AT)
  return filtered
}
