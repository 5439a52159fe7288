/** What a broker knows of one transactional id, and which calls it takes under it. */
import { AbortableError, FencedError, RetriableError } from '../../errors.ts'
import type { ProducerIdentity, TransactionStep } from './broker-connection.ts'
import { OpenTransaction } from './open-transaction.ts'
import type { TransactionalIdEntry } from './storage-layout.ts'

/** Epochs are 16 bits wide; the next id begins at 0 again. */
const EPOCH_MAX = 32_766

/**
 * ```
 *          first call                decided                  visible everywhere
 *   idle ──────────────> open ────────────────────> ending ──────────────────────> idle
 * ```
 * `open` and `ending` are the transaction in that state; at most one of them is set.
 */
export class TransactionalProducer {
  readonly transactionalId: string
  producerId: number
  epoch: number
  lastUsedMs: number
  timeoutMs = 10_000
  unsafe = false
  open: OpenTransaction | null = null
  ending: OpenTransaction | null = null
  /** The newest transaction that was ended, and how. */
  private lastEnded: { readonly number: number; readonly outcome: 'commit' | 'abort' } | null = null
  private fencedBy = 'a newer producer'

  constructor(transactionalId: string, entry: TransactionalIdEntry) {
    this.transactionalId = transactionalId
    this.producerId = entry.producerId
    this.epoch = entry.epoch
    this.lastUsedMs = entry.lastUsedMs
  }

  get identity(): ProducerIdentity {
    return { producerId: BigInt(this.producerId), epoch: this.epoch }
  }

  /** Shuts out whoever holds the id now; `reason` is told to them. */
  raiseEpoch(nextProducerId: () => number, reason = 'a newer producer'): void {
    if (this.epoch >= EPOCH_MAX) {
      this.producerId = nextProducerId()
      this.epoch = 0
    } else {
      this.epoch += 1
    }
    this.fencedBy = reason
    this.lastEnded = null
  }

  /** `FencedError` when the caller is not the holder any more. */
  checkHolder(caller: ProducerIdentity): void {
    if (caller.producerId === BigInt(this.producerId) && caller.epoch === this.epoch) return
    throw new FencedError(
      'PRODUCER_FENCED',
      `The transactional id ${this.transactionalId} was taken over by ${this.fencedBy} (epoch ${this.epoch}).`,
    )
  }

  /** `RetriableError` while an earlier transaction is not visible yet. */
  checkNotEnding(): void {
    if (this.ending === null) return
    throw new RetriableError(
      'CONCURRENT_TRANSACTIONS',
      `The last transaction of ${this.transactionalId} is still being ended.`,
    )
  }

  /**
   * The transaction that the call belongs to, begun when it is its first; `repeated` when the call was taken before.
   */
  admit(call: TransactionStep): { transaction: OpenTransaction; repeated: boolean } {
    this.checkHolder(call)
    this.checkNotEnding()
    if (this.lastEnded !== null && call.transaction <= this.lastEnded.number) throw this.lost('it has ended')
    if (this.open === null) {
      if (call.step !== 0) throw this.lost('the broker does not know its beginning')
      this.open = new OpenTransaction(call.transaction)
    }
    if (this.open.number !== call.transaction) throw this.lost('another one is open')
    if (call.step > this.open.steps) throw this.lost('the broker lacks a part of it')
    return { transaction: this.open, repeated: call.step < this.open.steps }
  }

  /**
   * The open transaction to be ended; null when there is nothing to do: it ended so before, or nothing of it arrived
   * and nothing was to be kept.
   */
  toEnd(call: TransactionStep, outcome: 'commit' | 'abort'): OpenTransaction | null {
    this.checkHolder(call)
    const { open, ending, lastEnded } = this
    if (ending?.number === call.transaction && ending.outcome === outcome) return null
    this.checkNotEnding()
    if (open?.number === call.transaction) {
      if (outcome === 'commit' && open.steps !== call.step) throw this.lost('the broker lacks a part of it')
      return open
    }
    if (lastEnded?.number === call.transaction) {
      if (lastEnded.outcome === outcome) return null
      throw this.lost(`it has ended with ${lastEnded.outcome}`)
    }
    if (outcome === 'commit' && call.step > 0) throw this.lost('the broker does not know it')
    // What may still be on its way from a client that gave up comes too late from here on.
    if (open === null && (lastEnded?.number ?? -1) < call.transaction) {
      this.lastEnded = { number: call.transaction, outcome }
    }
    return null
  }

  /** The open transaction's outcome is decided. */
  decide(transaction: OpenTransaction, outcome: 'commit' | 'abort'): void {
    transaction.timeout?.cancel()
    transaction.outcome = outcome
    this.open = null
    this.ending = transaction
    this.lastEnded = { number: transaction.number, outcome }
  }

  private lost(why: string): AbortableError {
    return new AbortableError(
      'TRANSACTION_LOST',
      `A transaction of ${this.transactionalId} cannot go on: ${why}.`,
    )
  }
}
