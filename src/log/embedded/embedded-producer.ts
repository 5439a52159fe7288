/** A transactional producer on a broker connection. */
import { assert } from '../../assert.ts'
import { sleep } from '../../clock.ts'
import { AbortableError, FatalError, FencedError, RetriableError, UnknownOutcomeError } from '../../errors.ts'
import {
  partitionKey,
  type GroupMember,
  type LogProducer,
  type Offset,
  type OutgoingBatch,
  type PartitionOffset,
  type ProducerOptions,
} from '../log.ts'
import { transitionProducer, type ProducerState } from '../producer-state.ts'
import type { ProducedBatch, ProducerIdentity, TransactionStep } from './broker-connection.ts'
import type { Lifeline } from './lifeline.ts'

const BACKOFF_MS = 20

/** Goes through the states of producer-state.ts. Calls that are not awaited keep their order. */
export class EmbeddedProducer implements LogProducer {
  readonly transactionalId: string
  state: ProducerState = 'idle'

  private readonly life: Lifeline
  private readonly identity: ProducerIdentity
  private readonly transactional: boolean
  /** How long calls are repeated that may be repeated: longer the broker keeps no transaction open. */
  private readonly patienceMs: number
  private readonly onClosed: (producer: EmbeddedProducer) => void
  /** By partition; they begin at 0 with each transaction. */
  private readonly sequences = new Map<string, number>()
  private transaction = -1
  private step = 0
  /** Whether the broker may have heard of the transaction. */
  private told = false
  /** What ended `open`, or all: told again to later calls. */
  private failure: Error | null = null
  /** Calls go out one after the other, in the order they were made. */
  private last: Promise<unknown> = Promise.resolve()

  constructor(
    life: Lifeline,
    options: ProducerOptions,
    identity: ProducerIdentity,
    onClosed: (producer: EmbeddedProducer) => void,
  ) {
    this.life = life
    this.transactionalId = options.transactionalId
    this.identity = identity
    this.transactional = options.unsafeWithoutTransactions !== true
    this.patienceMs = options.transactionTimeoutMs ?? 10_000
    this.onClosed = onClosed
  }

  begin(): void {
    this.checkUsable()
    assert(this.state === 'idle', `a transaction begins where none is open, not in ${this.state}`)
    this.go('open')
    this.transaction += 1
    this.step = 0
    this.told = false
    this.sequences.clear()
  }

  send(batches: readonly OutgoingBatch[]): Promise<readonly Offset[]> {
    return this.inTurn(async () => {
      this.checkOpen()
      for (const { records } of batches) assert(records.count > 0, 'a batch that is sent has a record')
      if (batches.length === 0) return []
      const request = { ...this.nextStep(), batches: batches.map((batch) => this.encode(batch)) }
      return this.takeStep(() => this.life.connection.produce(request))
    })
  }

  addOffsets(groupId: string, offsets: readonly PartitionOffset[], member?: GroupMember): Promise<void> {
    return this.inTurn(async () => {
      this.checkOpen()
      const request = { ...this.nextStep(), groupId, offsets, member: member ?? null }
      await this.takeStep(() => this.life.connection.addOffsets(request))
    })
  }

  commit(): Promise<void> {
    return this.inTurn(async () => {
      this.checkOpen()
      this.go('ending')
      if (this.step > 0) await this.end(true)
      this.go('idle')
    })
  }

  abort(): Promise<void> {
    return this.inTurn(async () => {
      if (this.state === 'dead' || this.state === 'closed') this.checkUsable()
      if (this.state === 'idle') return
      this.go('ending')
      this.failure = null
      if (this.told) await this.end(false)
      this.go('idle')
    })
  }

  close(): Promise<void> {
    return this.inTurn(async () => {
      if (this.state === 'closed') return
      const open = this.told && (this.state === 'open' || this.state === 'broken')
      this.go('closed')
      this.onClosed(this)
      if (!open) return
      // Once: where it does not get through, the broker's transaction time-out does the same.
      const request = { ...this.nextStep(), commit: false }
      await this.life.connection.endTransaction(request).catch(() => undefined)
    })
  }

  private encode({ topic, partition, records }: OutgoingBatch): ProducedBatch {
    const key = partitionKey({ topic, partition })
    const baseSequence = this.sequences.get(key) ?? 0
    this.sequences.set(key, baseSequence + records.count)
    const { transactional } = this
    // A copy: the builder is used again while the broker keeps the batch.
    const buffer = Buffer.from(records.build({ ...this.identity, baseSequence, transactional }))
    return { topic, partition, buffer }
  }

  private async takeStep<T>(call: () => Promise<T>): Promise<T> {
    this.told = true
    try {
      const answer = await this.repeated(call)
      this.step += 1
      return answer
    } catch (error) {
      throw this.failed(error)
    }
  }

  private async end(commit: boolean): Promise<void> {
    const request = { ...this.nextStep(), commit }
    const call = (): Promise<void> => this.life.connection.endTransaction(request)
    try {
      await (commit ? call() : this.repeated(call))
    } catch (error) {
      if (commit && error instanceof RetriableError) {
        const message = 'The log did not say whether the transaction was committed.'
        throw this.failed(new UnknownOutcomeError('COMMIT_OUTCOME_UNKNOWN', message, { cause: error }))
      }
      // An abort that cannot be told now can be told later.
      if (error instanceof AbortableError && error.code === 'LOG_UNREACHABLE') {
        this.failure = error
        this.go('broken')
        throw new RetriableError('LOG_UNREACHABLE', 'The log could not be told of the abort.', {
          cause: error,
        })
      }
      throw this.failed(error)
    }
  }

  /** Calls again while the broker cannot be reached or is busy with an earlier transaction. */
  private async repeated<T>(call: () => Promise<T>): Promise<T> {
    const { clock } = this.life
    const untilMs = clock.monotonic() + this.patienceMs
    for (;;) {
      try {
        return await call()
      } catch (error) {
        if (!(error instanceof RetriableError)) throw error
        if (clock.monotonic() >= untilMs) {
          throw new AbortableError('LOG_UNREACHABLE', 'The log did not take the call in time.', {
            cause: error,
          })
        }
        await sleep(clock, BACKOFF_MS)
      }
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

  private nextStep(): TransactionStep {
    const { transactionalId, transaction, step } = this
    return { ...this.identity, transactionalId, transaction, step }
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.last.then(work)
    this.last = turn.catch(() => undefined)
    return this.life.run(() => turn)
  }

  private go(to: ProducerState): void {
    this.state = transitionProducer(this.state, to)
  }
}
