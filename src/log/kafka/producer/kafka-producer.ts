/** The transactional producer of a Kafka log. */
import { assert } from '../../../assert.ts'
import {
  AbortableError,
  FatalError,
  FencedError,
  RetriableError,
  UnknownOutcomeError,
} from '../../../errors.ts'
import {
  partitionKey,
  type GroupMember,
  type LogProducer,
  type Offset,
  type OutgoingBatch,
  type PartitionOffset,
} from '../../log.ts'
import { transitionProducer, type ProducerState } from '../../producer-state.ts'
import { compressBatch } from '../codec/compressed-batch.ts'
import type { Compression } from '../options.ts'
import type { ChannelSet } from '../transport/channel-set.ts'
import type { EncodedBatch } from '../wire/record-calls.ts'
import { NO_PRODUCER } from '../wire/transaction-calls.ts'
import type { BatchWriter } from './batch-writer.ts'
import type { TransactionClient } from './transaction-client.ts'

/** How long closing waits for the abort of an open transaction; brokers abort it in time by themselves. */
const LAST_WORD_MS = 2_000
/** Sequence numbers are 31 bits wide and begin again at 0. */
const SEQUENCE_MASK = 0x7fff_ffff

/** What a producer works with. */
export interface KafkaProducerParts {
  readonly transactionalId: string
  readonly client: TransactionClient
  readonly writer: BatchWriter
  /** Its own; closed with it. */
  readonly channels: ChannelSet
  readonly compression: Compression
  readonly onClosed: (producer: LogProducer) => void
}

/** Goes through the states of producer-state.ts. Calls that are not awaited keep their order. */
export class KafkaProducer implements LogProducer {
  readonly transactionalId: string
  state: ProducerState = 'idle'

  private readonly parts: KafkaProducerParts
  /** Next sequence number by partition, under the client's present identity. */
  private readonly sequences = new Map<string, number>()
  private identity = NO_PRODUCER
  /** Whether brokers may have heard of the transaction. */
  private told = false
  /** What ended `open`, or all: told again to later calls. */
  private failure: Error | null = null
  /** Calls go out one after the other, in the order they were made. */
  private last: Promise<unknown> = Promise.resolve()

  /** `parts.client` is initialised. */
  constructor(parts: KafkaProducerParts) {
    this.parts = parts
    this.transactionalId = parts.transactionalId
  }

  begin(): void {
    this.checkUsable()
    assert(this.state === 'idle', `a transaction begins where none is open, not in ${this.state}`)
    this.go('open')
    this.told = false
    this.parts.client.begin()
  }

  send(batches: readonly OutgoingBatch[]): Promise<readonly Offset[]> {
    return this.inTurn(async () => {
      this.checkOpen()
      for (const { records } of batches) assert(records.count > 0, 'a batch that is sent has a record')
      if (batches.length === 0) return []
      const { client, writer } = this.parts
      return this.attempt(async () => {
        await client.announcePartitions(batches)
        return writer.write(this.encode(batches), client.v2 ? 12 : 9, true)
      })
    })
  }

  addOffsets(groupId: string, offsets: readonly PartitionOffset[], member?: GroupMember): Promise<void> {
    return this.inTurn(async () => {
      this.checkOpen()
      await this.attempt(() => this.parts.client.addOffsets(groupId, offsets, member))
    })
  }

  commit(): Promise<void> {
    return this.inTurn(async () => {
      this.checkOpen()
      this.go('ending')
      if (this.told) await this.endWithCommit()
      this.go('idle')
    })
  }

  abort(): Promise<void> {
    return this.inTurn(async () => {
      if (this.state === 'dead' || this.state === 'closed') this.checkUsable()
      if (this.state === 'idle') return
      const clean = this.state === 'open'
      this.go('ending')
      if (this.told) await this.endWithAbort(clean)
      this.failure = null
      this.go('idle')
    })
  }

  close(): Promise<void> {
    return this.inTurn(async () => {
      if (this.state === 'closed') return
      const open = this.told && (this.state === 'open' || this.state === 'broken')
      this.go('closed')
      // Once: where it does not get through, the transaction's time-out does the same.
      if (open) await this.parts.client.abortOnce(LAST_WORD_MS).catch(() => undefined)
      this.parts.channels.close()
      this.parts.onClosed(this)
    })
  }

  private encode(batches: readonly OutgoingBatch[]): EncodedBatch[] {
    const { client, compression } = this.parts
    // Another identity counts from 0.
    if (this.identity !== client.identity) this.sequences.clear()
    this.identity = client.identity
    return batches.map(({ topic, partition, records }) => {
      const key = partitionKey({ topic, partition })
      const baseSequence = this.sequences.get(key) ?? 0
      this.sequences.set(key, (baseSequence + records.count) & SEQUENCE_MASK)
      const plain = records.build({ ...client.identity, baseSequence, transactional: true })
      return { topic, partition, bytes: compressBatch(plain, compression) }
    })
  }

  /** A part of the open transaction; when it fails for good, the transaction can only be aborted. */
  private async attempt<T>(work: () => Promise<T>): Promise<T> {
    this.told = true
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof RetriableError)) throw this.failed(error)
      const text = `The log did not take a part of the transaction in time: ${error.message}`
      throw this.failed(new AbortableError('LOG_UNREACHABLE', text, { cause: error }))
    }
  }

  private async endWithCommit(): Promise<void> {
    let doubtful = false
    try {
      await this.parts.client.end(true, () => (doubtful = true))
    } catch (error) {
      if (!doubtful && !(error instanceof RetriableError)) throw this.failed(error)
      const text = 'The log did not say whether the transaction was committed.'
      throw this.failed(new UnknownOutcomeError('COMMIT_OUTCOME_UNKNOWN', text, { cause: error }))
    }
  }

  /** `clean`: all that was sent was answered, so that nothing of it is still on its way. */
  private async endWithAbort(clean: boolean): Promise<void> {
    try {
      await this.parts.client.end(false)
      if (!clean) await this.parts.client.raiseEpoch()
    } catch (error) {
      if (!(error instanceof RetriableError)) throw this.failed(error)
      // What cannot be told now can be told later.
      this.failure = new AbortableError('LOG_UNREACHABLE', error.message, { cause: error })
      this.go('broken')
      throw error
    }
  }

  /** Notes what the error leaves possible; answers it. */
  private failed(error: unknown): Error {
    const failure = error instanceof Error ? error : new FatalError('LOG_FAILED', String(error))
    this.failure = failure
    this.go(failure instanceof AbortableError ? 'broken' : 'dead')
    return failure
  }

  private checkOpen(): void {
    this.checkUsable()
    if (this.state === 'broken' && this.failure !== null) throw this.failure
    assert(this.state === 'open', `this needs an open transaction, the producer is ${this.state}`)
  }

  private checkUsable(): void {
    if (this.state === 'closed') throw new FatalError('PRODUCER_CLOSED', 'The producer is closed.')
    if (this.state !== 'dead') return
    throw this.failure ?? new FencedError('PRODUCER_FENCED', 'The producer cannot be used any more.')
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.last.then(work)
    this.last = turn.catch(() => undefined)
    return turn
  }

  private go(to: ProducerState): void {
    this.state = transitionProducer(this.state, to)
  }
}
