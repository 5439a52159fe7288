/**
 * Writes the differences of a comparison into their topic: one transaction where they fit, else several. They count
 * only once the backfill's record names their offsets, so what a killed comparison leaves behind is never read.
 */
import type { Log, LogProducer, Offset, TopicPartition } from '../../log/log.ts'
import { RecordCollector } from '../../runtime/record-collector.ts'
import { encodeDifference, timestampOf, type Difference } from './difference-record.ts'

/** Differences of one partition: records at offsets in `[from, to)`. */
export interface DifferenceRange {
  readonly partition: number
  readonly from: Offset
  readonly to: Offset
}

/** Both sides of the largest results, in base64, fit well. */
const MESSAGE_BYTES_MAX = 8 * 1024 * 1024
const TRANSACTION_BYTES = 16 * 1024 * 1024
const TRANSACTION_TIMEOUT_MS = 60_000

/** Made by `openDifferenceWriter`; to be closed. */
export class DifferenceWriter {
  private readonly log: Log
  private readonly producer: LogProducer
  private readonly partitions: readonly TopicPartition[]
  private readonly starts: readonly Offset[]
  private readonly collector = new RecordCollector(MESSAGE_BYTES_MAX)

  constructor(
    log: Log,
    producer: LogProducer,
    partitions: readonly TopicPartition[],
    starts: readonly Offset[],
  ) {
    this.log = log
    this.producer = producer
    this.partitions = partitions
    this.starts = starts
  }

  /** Adds differences; their transaction may be committed by this call or by a later one. */
  async add(differences: readonly Difference[]): Promise<void> {
    for (const difference of differences) {
      const { topic } = this.partitions[difference.partition]!
      const value = encodeDifference(difference)
      this.collector.add(topic, difference.partition, timestampOf(difference), difference.key, value)
      if (this.collector.pendingBytes >= TRANSACTION_BYTES) await this.commit()
    }
  }

  /** Commits the rest; answers where everything is, the partitions without differences left out. */
  async finish(): Promise<readonly DifferenceRange[]> {
    await this.commit()
    const ends = await this.log.offsets('end', this.partitions)
    return this.partitions
      .map(({ partition }, index) => ({ partition, from: this.starts[index]!, to: ends[index]! }))
      .filter(({ from, to }) => from < to)
  }

  /** Lets go of the log. Idempotent. */
  async close(): Promise<void> {
    await this.producer.close()
  }

  private async commit(): Promise<void> {
    const batches = this.collector.take()
    if (batches.length === 0) return
    this.producer.begin()
    await this.producer.send(batches)
    await this.producer.commit()
    this.collector.recycle(batches)
  }
}

/** Makes the topic where it is missing, fences whoever writes into it, and begins behind what is there. */
export async function openDifferenceWriter(
  log: Log,
  topic: string,
  partitionCount: number,
): Promise<DifferenceWriter> {
  const settings = { retentionMs: -1, maxMessageBytes: MESSAGE_BYTES_MAX } as const
  await log.createTopics([{ name: topic, partitions: partitionCount, settings }])
  const producer = await log.producer({
    transactionalId: `${topic}.writer`,
    transactionTimeoutMs: TRANSACTION_TIMEOUT_MS,
  })
  try {
    const partitions = Array.from({ length: partitionCount }, (_, partition) => ({ topic, partition }))
    return new DifferenceWriter(log, producer, partitions, await log.offsets('end', partitions))
  } catch (error) {
    await producer.close()
    throw error
  }
}
