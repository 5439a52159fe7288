/** Compressed record batches: the header stays plain, the records behind it are packed as one. */
import { RecordError, messageOf } from '../../../errors.ts'
import {
  ATTRIBUTES_AT,
  batchEndAt,
  BATCH_HEADER_BYTES,
  BATCH_OVERHEAD_BYTES,
  COMPRESSION_MASK,
  CRC_AT,
  LENGTH_AT,
  BASE_OFFSET_AT,
} from '../../batch-format.ts'
import { crc32c } from '../../../crc32c.ts'
import type { Compression } from '../options.ts'
import { CODEC_NUMBERS, codecOf } from './codecs.ts'

/** The same batch with packed records; `batch` itself for `none`. */
export function compressBatch(batch: Buffer, compression: Compression): Buffer {
  if (compression === 'none') return batch
  const number = CODEC_NUMBERS[compression]
  const packed = codecOf(number).pack(batch.subarray(BATCH_HEADER_BYTES))
  return withRecords(batch, packed, number)
}

/** The codec number of the batch at `at`; 0 for plain. */
export function compressionAt(buffer: Buffer, at: number): number {
  return buffer.readInt16BE(at + ATTRIBUTES_AT) & COMPRESSION_MASK
}

/**
 * The same batch with plain records, and a checksum that fits them. `RecordError` `RECORD_BATCH_CORRUPT` when they
 * cannot be unpacked, `RECORD_BATCH_UNSUPPORTED` when nobody here knows the codec.
 */
export function decompressBatch(buffer: Buffer, at: number): Buffer {
  const batch = buffer.subarray(at, batchEndAt(buffer, at))
  const codec = codecOf(compressionAt(buffer, at))
  let plain: Uint8Array
  try {
    plain = codec.unpack(batch.subarray(BATCH_HEADER_BYTES))
  } catch (error) {
    const offset = buffer.readBigInt64BE(at + BASE_OFFSET_AT)
    const text = `The record batch at offset ${offset} cannot be unpacked: ${messageOf(error)}`
    throw new RecordError('RECORD_BATCH_CORRUPT', text, { cause: error })
  }
  return withRecords(batch, plain, 0)
}

function withRecords(batch: Buffer, records: Uint8Array, codec: number): Buffer {
  const result = Buffer.concat([batch.subarray(0, BATCH_HEADER_BYTES), records])
  result.writeInt32BE(result.length - BATCH_OVERHEAD_BYTES, LENGTH_AT)
  result.writeInt16BE((result.readInt16BE(ATTRIBUTES_AT) & ~COMPRESSION_MASK) | codec, ATTRIBUTES_AT)
  result.writeUInt32BE(crc32c(result, ATTRIBUTES_AT), CRC_AT)
  return result
}
