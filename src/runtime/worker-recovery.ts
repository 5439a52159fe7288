/** What a worker does about failures: which it can mend, and with what it begins again. */
import {
  AbortableError,
  CorruptedStateError,
  FencedError,
  RetriableError,
  UnknownOutcomeError,
} from '../errors.ts'
import type { LogProducer } from '../log/log.ts'
import type { Application } from './application.ts'

const MENDABLE = [
  RetriableError,
  AbortableError,
  UnknownOutcomeError,
  FencedError,
  CorruptedStateError,
] as const

/** Whether starting again from what is committed cannot mend this: configuration, a full disk, a defect. */
export function mustStop(error: unknown): boolean {
  return !MENDABLE.some((kind) => error instanceof kind)
}

/** A producer under a transactional id that is never used again, so that several successors may fence it. */
export function newWorkerProducer({ log, config, random, options }: Application): Promise<LogProducer> {
  return log.producer({
    transactionalId: `${config.applicationId}-${random.uuid()}`,
    transactionTimeoutMs: config.transactionTimeoutMs,
    ...(options.unsafeWithoutTransactions === true && { unsafeWithoutTransactions: true }),
  })
}
