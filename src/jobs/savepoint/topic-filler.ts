/** Writes many records into partitions that nobody else writes to, in transactions of bounded size. */
import type { LogProducer, Offset, TopicPartition } from '../../log/log.ts'
import { RecordBatchBuilder, type RecordHeader } from '../../log/record-batch-builder.ts'

/** A batch is sent at this size ... */
const BATCH_BYTES = 256 * 1024
/** ... and a transaction ends at this one. */
const TRANSACTION_BYTES = 8 * 1024 * 1024

/** A record to be written. */
export interface FilledRecord {
  readonly timestamp: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers?: readonly RecordHeader[]
}

/** Where the records of a partition have come to lie. */
export interface Filled {
  /** Behind the last one; 0 where there was none. */
  readonly next: Offset
}

/**
 * Writes the records and commits them. `onWritten` is told the offset of each, in their order. Rejects as the producer
 * does; what was committed before stays.
 */
export async function fillPartition<R extends FilledRecord>(
  producer: LogProducer,
  partition: TopicPartition,
  records: AsyncIterable<R>,
  onWritten: (record: R, offset: Offset) => void = () => undefined,
): Promise<Filled> {
  const batch = new RecordBatchBuilder(BATCH_BYTES + 4096)
  let waiting: R[] = []
  let next = 0n
  let transactionBytes = 0
  const send = async (): Promise<void> => {
    if (waiting.length === 0) return
    if (transactionBytes === 0) producer.begin()
    transactionBytes += batch.byteLength
    const [base] = await producer.send([{ ...partition, records: batch }])
    waiting.forEach((record, index) => onWritten(record, base! + BigInt(index)))
    next = base! + BigInt(waiting.length)
    waiting = []
    batch.reset()
  }
  const commit = async (): Promise<void> => {
    if (transactionBytes > 0) await producer.commit()
    transactionBytes = 0
  }
  for await (const record of records) {
    const { timestamp, key, value, headers = [] } = record
    const bound = RecordBatchBuilder.recordSizeBound(key, value, headers)
    if (batch.byteLength + bound > BATCH_BYTES) await send()
    batch.append(timestamp, key, value, headers)
    waiting.push(record)
    if (transactionBytes > TRANSACTION_BYTES) await commit()
  }
  await send()
  await commit()
  return { next }
}
