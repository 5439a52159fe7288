/** What happens when a stage cannot work a record. */

export type ErrorAction =
  /** Undo the record, keep it as a dead letter, go on. The default. */
  | 'dead-letter'
  /** Undo the record, count it, go on. */
  | 'skip'
  /** Undo the record and stop the application; the record is worked again at the next start. */
  | 'fail'

/** Trying again helps only where the cause can pass: the record and all behind it in its task wait meanwhile. */
export interface RetryPolicy {
  /** Tries after the first one; at least 1. */
  readonly retries: number
  /** Wait before the first retry; doubles each time. Default 100. */
  readonly initialBackoffMs?: number
  /** Longest wait. Default 10,000. */
  readonly maxBackoffMs?: number
  /** Which errors can pass. Default: `RetriableError`. */
  readonly retryIf?: (error: unknown) => boolean
}

export interface ErrorPolicy {
  /** What to do at last. Default `dead-letter`. */
  readonly onError?: ErrorAction
  readonly retry?: RetryPolicy
}

/** Options that every stage takes. */
export interface StageOptions extends ErrorPolicy {
  /** Name in descriptions, dead letters and topics; letters, digits, `.`, `_`, `-`. Generated where missing. */
  readonly name?: string
}

/** The wait before retry number `retry` (from 1): `initialBackoffMs * 2^(retry - 1)`, at most `maxBackoffMs`. */
export function backoffMs(policy: RetryPolicy, retry: number): number {
  const initial = policy.initialBackoffMs ?? 100
  return Math.min(initial * 2 ** (retry - 1), policy.maxBackoffMs ?? 10_000)
}
