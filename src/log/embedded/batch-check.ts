/** What a broker checks of a batch before it takes it. */
import { FatalError } from '../../errors.ts'
import {
  ATTRIBUTES_AT,
  BATCH_HEADER_BYTES,
  batchEndAt,
  COMPRESSION_MASK,
  CONTROL,
  LAST_OFFSET_DELTA_AT,
  MAGIC,
  MAGIC_AT,
  RECORD_COUNT_AT,
} from '../batch-format.ts'
import { RecordCursor } from '../record-cursor.ts'
import type { TopicEntry } from './storage-layout.ts'

const cursor = new RecordCursor()

/** `FatalError` unless `buffer` is one whole, plain batch that the topic can take. */
export function checkBatch(buffer: Buffer, topic: TopicEntry): void {
  if (buffer.length > topic.settings.maxMessageBytes) {
    throw new FatalError(
      'BATCH_TOO_LARGE',
      `A batch of ${buffer.length} bytes is larger than the ${topic.settings.maxMessageBytes} of ${topic.name}.`,
    )
  }
  const whole = buffer.length >= BATCH_HEADER_BYTES && batchEndAt(buffer, 0) === buffer.length
  if (!whole || buffer[MAGIC_AT] !== MAGIC) throw invalid(topic, 'is not one whole record batch')
  const attributes = buffer.readInt16BE(ATTRIBUTES_AT)
  if ((attributes & (CONTROL | COMPRESSION_MASK)) !== 0) throw invalid(topic, 'is compressed or a marker')
  const count = buffer.readInt32BE(RECORD_COUNT_AT)
  if (count < 1) throw invalid(topic, 'is empty')
  if (buffer.readInt32BE(LAST_OFFSET_DELTA_AT) !== count - 1) throw invalid(topic, 'has gaps')
  if (topic.settings.cleanup === 'compact') checkKeys(buffer, topic)
}

/** Compaction keeps the newest record of each key: without a key there is nothing to keep it by. */
function checkKeys(buffer: Buffer, topic: TopicEntry): void {
  cursor.reset({ buffer, start: 0, end: buffer.length, fromOffset: 0n })
  while (cursor.next()) if (cursor.keyEnd < 0) throw invalid(topic, 'has a record without a key')
}

function invalid(topic: TopicEntry, what: string): FatalError {
  return new FatalError('BATCH_INVALID', `A batch for ${topic.name} ${what}.`)
}
