/** Works units: one at a time, kept whole or taken back whole, failures handled by the stage's policy. */
import { AssertionError } from '../assert.ts'
import type { Clock } from '../clock.ts'
import { codeOf, FatalError, messageOf, RetriableError } from '../errors.ts'
import type { StoreTransaction } from '../state/store-transaction.ts'
import { backoffMs, type ErrorPolicy, type RetryPolicy } from '../topology/error-policy.ts'
import type { Counters } from './counters.ts'
import type { StageFailure } from './input-record.ts'
import type { RecordCollector } from './record-collector.ts'
import type { DeadLetter } from './dead-letter.ts'
import type { Unit } from './unit.ts'

export type UnitOutcome =
  /** Everything it caused is kept. */
  | 'worked'
  /** Everything was taken back; it is a dead letter, or was skipped. */
  | 'dropped'
  /** Everything was taken back; the same unit has to be worked again after `retryAtMs`. */
  | 'retry'

export interface UnitRunnerSpec {
  readonly unit: Unit
  readonly transaction: StoreTransaction
  readonly collector: RecordCollector
  readonly counters: Counters
  readonly clock: Clock
  /** The error policy of a stage; what it does not say is filled in from the application's. */
  readonly policyOf: (stage: string) => ErrorPolicy
  /** Writes a dead letter; never larger than the topic takes. */
  readonly sendDeadLetter: (letter: DeadLetter) => void
}

/** What the runner needs to know of a unit that fails. */
export interface FailingUnit {
  /** How often it has been tried, this time included. */
  readonly attempt: number
  deadLetter(failure: StageFailure): DeadLetter
  /** What stays done although the unit is dropped. */
  readonly whenDropped?: () => void
}

export class UnitRunner {
  /** After an outcome `retry`: when to try again, by the monotonic clock. */
  retryAtMs = -Infinity
  private readonly spec: UnitRunnerSpec

  constructor(spec: UnitRunnerSpec) {
    this.spec = spec
  }

  /** Begins a unit; `unit` has been set. */
  begin(): void {
    const { transaction, collector, counters } = this.spec
    transaction.begin()
    collector.begin()
    counters.begin()
  }

  /** Ends the unit that was begun: it is kept, unless a stage failed. */
  end(failing: FailingUnit): UnitOutcome {
    const { failure } = this.spec.unit
    return failure === undefined ? 'worked' : this.handle(failure, failing)
  }

  private handle(failure: StageFailure, failing: FailingUnit): UnitOutcome {
    const { transaction, collector, counters, policyOf, clock, sendDeadLetter } = this.spec
    transaction.rollback()
    collector.rollback()
    counters.rollback()
    if (failure.error instanceof AssertionError) throw failure.error
    const policy = policyOf(failure.stage)
    if (policy.retry !== undefined && mayPass(policy.retry, failure.error, failing.attempt)) {
      this.retryAtMs = clock.monotonic() + backoffMs(policy.retry, failing.attempt)
      return 'retry'
    }
    if (policy.onError === 'fail') throw stopped(failure)
    failing.whenDropped?.()
    if (policy.onError === 'skip') {
      counters.increment('skipped')
    } else {
      sendDeadLetter(failing.deadLetter(failure))
      counters.increment('deadLetters')
    }
    // What a dropped unit leaves behind is for good: it must not be undone with the next one.
    this.begin()
    return 'dropped'
  }
}

function mayPass(policy: RetryPolicy, error: unknown, attempt: number): boolean {
  if (attempt > policy.retries) return false
  return policy.retryIf === undefined ? error instanceof RetriableError : policy.retryIf(error)
}

function stopped({ stage, error }: StageFailure): FatalError {
  return new FatalError(
    'STAGE_FAILED',
    `stage ${stage} failed, and its policy is to stop: ${codeOf(error, 'RECORD_FAILED')}: ${messageOf(error)}`,
    { cause: error },
  )
}
