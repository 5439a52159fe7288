/** Checks record batches against their checksums. */
import { RecordError } from '../errors.ts'
import { ATTRIBUTES_AT, BASE_OFFSET_AT, batchEndAt, BATCH_HEADER_BYTES, CRC_AT } from './batch-format.ts'
import { crc32c } from '../crc32c.ts'
import type { RecordBatches } from './record-cursor.ts'

/**
 * Throws `RecordError` `RECORD_BATCH_CORRUPT` when the CRC-32C of a batch does not fit its bytes. A cut-off last
 * batch is passed over, as the cursor passes over it. Base offset and leader epoch are not covered by the checksum.
 */
export function verifyBatches({ buffer, start, end }: RecordBatches): void {
  let at = start
  while (at + BATCH_HEADER_BYTES <= end) {
    const batchEnd = batchEndAt(buffer, at)
    if (batchEnd > end) return
    if (batchEnd < at + BATCH_HEADER_BYTES) throw corrupt(buffer, at, 'it is shorter than its header')
    if (crc32c(buffer, at + ATTRIBUTES_AT, batchEnd) !== buffer.readUInt32BE(at + CRC_AT)) {
      throw corrupt(buffer, at, 'its checksum does not fit')
    }
    at = batchEnd
  }
}

function corrupt(buffer: Buffer, at: number, what: string): RecordError {
  const offset = buffer.readBigInt64BE(at + BASE_OFFSET_AT)
  return new RecordError('RECORD_BATCH_CORRUPT', `The record batch at offset ${offset} is damaged: ${what}.`)
}
