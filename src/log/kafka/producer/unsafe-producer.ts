/** A producer without transactions: the planted fault of tests, and a yardstick for benchmarks. */
import { assert } from '../../../assert.ts'
import { FatalError, FencedError } from '../../../errors.ts'
import type { GroupMember, LogProducer, Offset, OutgoingBatch, PartitionOffset } from '../../log.ts'
import { askCoordinator } from '../cluster/ask-coordinator.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { compressBatch } from '../codec/compressed-batch.ts'
import type { Compression } from '../options.ts'
import { patiently } from '../retry.ts'
import type { ChannelSet } from '../transport/channel-set.ts'
import { KafkaCode } from '../wire/error-code.ts'
import { commitOffsets } from '../wire/group-calls.ts'
import { NO_PRODUCER } from '../wire/transaction-calls.ts'
import type { BatchWriter } from './batch-writer.ts'
import { producerError } from './producer-error.ts'

/** What an unsafe producer works with. */
export interface UnsafeProducerParts {
  readonly cluster: Cluster
  readonly transactionalId: string
  readonly writer: BatchWriter
  readonly channels: ChannelSet
  readonly compression: Compression
  readonly onClosed: (producer: LogProducer) => void
}

/**
 * What is sent is visible at once, what is sent again is there twice, offsets are stored at once, nothing is undone.
 */
export class UnsafeProducer implements LogProducer {
  readonly transactionalId: string
  private readonly parts: UnsafeProducerParts
  private state: 'idle' | 'open' | 'closed' = 'idle'

  constructor(parts: UnsafeProducerParts) {
    this.parts = parts
    this.transactionalId = parts.transactionalId
  }

  begin(): void {
    this.checkUsable()
    assert(this.state === 'idle', `a transaction begins where none is open, not in ${this.state}`)
    this.state = 'open'
  }

  async send(batches: readonly OutgoingBatch[]): Promise<readonly Offset[]> {
    this.checkUsable()
    const { writer, compression } = this.parts
    const encoded = batches.map(({ topic, partition, records }) => {
      const plain = records.build({ ...NO_PRODUCER, baseSequence: -1, transactional: false })
      return { topic, partition, bytes: compressBatch(plain, compression) }
    })
    return writer.write(encoded, 9, false)
  }

  async addOffsets(
    groupId: string,
    offsets: readonly PartitionOffset[],
    member?: GroupMember,
  ): Promise<void> {
    this.checkUsable()
    const { cluster, channels, transactionalId } = this.parts
    const route = { cluster, channels, type: 'group', id: groupId } as const
    const request = {
      groupId,
      groupInstanceId: null,
      generation: member?.generation ?? -1,
      memberId: member?.memberId ?? '',
      offsets,
    }
    await patiently({ clock: cluster.clock, withinMs: cluster.requestTimeoutMs }, async () => {
      const { partitions } = await askCoordinator(route, commitOffsets, request, (answer) => {
        return answer.partitions.map(({ code }) => code)
      })
      const failed = partitions.find(({ code }) => code !== KafkaCode.NONE)
      if (failed === undefined) return
      const error = producerError(failed.code, `committing the offsets of group ${groupId}`, transactionalId)
      throw failed.code === KafkaCode.REBALANCE_IN_PROGRESS
        ? new FencedError(error.code, error.message)
        : error
    })
  }

  async commit(): Promise<void> {
    this.checkUsable()
    this.state = 'idle'
  }

  async abort(): Promise<void> {
    this.checkUsable()
    this.state = 'idle'
  }

  async close(): Promise<void> {
    if (this.state === 'closed') return
    this.state = 'closed'
    this.parts.onClosed(this)
    this.parts.channels.close()
  }

  private checkUsable(): void {
    if (this.state === 'closed') throw new FatalError('PRODUCER_CLOSED', 'The producer is closed.')
  }
}
