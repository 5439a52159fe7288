/** What a Fetch brought for one partition, made ready for the cursor. */
import { RecordError } from '../../../errors.ts'
import {
  ATTRIBUTES_AT,
  batchEndAt,
  BATCH_HEADER_BYTES,
  CONTROL,
  lastOffsetAt,
  MAGIC,
  MAGIC_AT,
  RECORD_COUNT_AT,
} from '../../batch-format.ts'
import type { AbortedTransaction, RecordBatches } from '../../record-cursor.ts'
import { verifyBatches } from '../../verify-batches.ts'
import { compressionAt, decompressBatch } from '../codec/compressed-batch.ts'

/** Batches for the cursor, and where to read on. */
export interface FetchedRecords {
  readonly batches: RecordBatches
  readonly nextOffset: bigint
}

/**
 * Checks the checksums, unpacks what is compressed, and finds the position behind the last whole batch: from the
 * batches' own headers, since control batches, aborted ones and those that compaction has emptied move it too, and
 * never backward. A cut-off last batch is left for the next fetch.
 *
 * `RecordError`: `RECORD_BATCH_CORRUPT`, `RECORD_BATCH_UNSUPPORTED` (format versions before Kafka 0.11).
 */
export function fetchedRecords(
  records: Buffer,
  fromOffset: bigint,
  aborted: readonly AbortedTransaction[],
): FetchedRecords {
  let nextOffset = fromOffset
  let compressed = false
  let end = 0
  while (end + BATCH_HEADER_BYTES <= records.length) {
    const magic = records[end + MAGIC_AT]
    if (magic !== MAGIC) {
      throw new RecordError(
        'RECORD_BATCH_UNSUPPORTED',
        `Record batches of format version ${magic} are not supported.`,
      )
    }
    const batchEnd = batchEndAt(records, end)
    if (batchEnd > records.length) break
    verifyBatches({ buffer: records, start: end, end: batchEnd, fromOffset })
    const last = BigInt(lastOffsetAt(records, end))
    if (last >= nextOffset) nextOffset = last + 1n
    compressed ||= isPacked(records, end)
    end = batchEnd
  }
  const [buffer, bytes] = compressed ? unpacked(records, end) : [records, end]
  return { batches: { buffer, start: 0, end: bytes, fromOffset, aborted }, nextOffset }
}

function isPacked(buffer: Buffer, at: number): boolean {
  const plain = compressionAt(buffer, at) === 0 || buffer.readInt32BE(at + RECORD_COUNT_AT) === 0
  return !plain && (buffer.readInt16BE(at + ATTRIBUTES_AT) & CONTROL) === 0
}

function unpacked(records: Buffer, end: number): [buffer: Buffer, end: number] {
  const batches: Buffer[] = []
  for (let at = 0; at < end; at = batchEndAt(records, at)) {
    batches.push(
      isPacked(records, at) ? decompressBatch(records, at) : records.subarray(at, batchEndAt(records, at)),
    )
  }
  const buffer = Buffer.concat(batches)
  return [buffer, buffer.length]
}
