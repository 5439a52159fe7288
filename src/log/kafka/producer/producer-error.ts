/** What the error numbers of a transaction's requests mean to its producer. */
import { AbortableError, FatalError, FencedError, type MillraceError } from '../../../errors.ts'
import { KafkaCode, kafkaError, kafkaErrorName } from '../wire/error-code.ts'

/**
 * The error for `code`, as `what` was tried under `transactionalId`. Codes that only ask for patience give
 * `RetriableError`.
 */
export function producerError(
  code: number,
  what: string,
  transactionalId: string,
  detail: string | null = null,
): MillraceError {
  const said = `${what} of ${transactionalId}`
  switch (code) {
    case KafkaCode.INVALID_PRODUCER_EPOCH:
    case KafkaCode.PRODUCER_FENCED:
    case KafkaCode.INVALID_PRODUCER_ID_MAPPING: {
      const why = 'a newer producer has the transactional id, or the transaction took too long'
      return new FencedError('PRODUCER_FENCED', `Refused at ${said}: ${why} (${kafkaErrorName(code)}).`)
    }
    case KafkaCode.ILLEGAL_GENERATION:
    case KafkaCode.UNKNOWN_MEMBER_ID:
    case KafkaCode.FENCED_INSTANCE_ID: {
      const name = kafkaErrorName(code)
      return new FencedError(
        name,
        `Refused at ${said}: the member does not belong to the group any more (${name}).`,
      )
    }
    case KafkaCode.OUT_OF_ORDER_SEQUENCE_NUMBER:
    case KafkaCode.DUPLICATE_SEQUENCE_NUMBER:
    case KafkaCode.UNKNOWN_PRODUCER_ID:
    case KafkaCode.INVALID_TXN_STATE:
    case KafkaCode.OPERATION_NOT_ATTEMPTED:
    case KafkaCode.REBALANCE_IN_PROGRESS:
    case KafkaCode.TRANSACTION_ABORTABLE: {
      const name = kafkaErrorName(code)
      return new AbortableError('TRANSACTION_LOST', `The transaction cannot go on at ${said}: ${name}.`)
    }
    case KafkaCode.MESSAGE_TOO_LARGE:
    case KafkaCode.RECORD_LIST_TOO_LARGE:
      return new FatalError('BATCH_TOO_LARGE', `A batch is larger than the topic takes, at ${said}.`)
    case KafkaCode.INVALID_RECORD:
    case KafkaCode.INVALID_TIMESTAMP:
      return new FatalError('BATCH_INVALID', `The topic does not take a record, at ${said}: ${detail ?? ''}`)
    case KafkaCode.INVALID_TRANSACTION_TIMEOUT: {
      const text = `The transaction time-out is longer than the brokers' transaction.max.timeout.ms, at ${said}.`
      return new FatalError('TRANSACTION_TIMEOUT_REFUSED', text)
    }
    default:
      return kafkaError(code, said, detail)
  }
}
