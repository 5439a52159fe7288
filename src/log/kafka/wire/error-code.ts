/** The error numbers of Kafka's protocol, and what each means to a client. */
import { FatalError, RetriableError, type MillraceError } from '../../../errors.ts'

/** Those that some code here looks at. */
export const KafkaCode = {
  NONE: 0,
  OFFSET_OUT_OF_RANGE: 1,
  CORRUPT_MESSAGE: 2,
  UNKNOWN_TOPIC_OR_PARTITION: 3,
  MESSAGE_TOO_LARGE: 10,
  INVALID_TOPIC_EXCEPTION: 17,
  RECORD_LIST_TOO_LARGE: 18,
  ILLEGAL_GENERATION: 22,
  INCONSISTENT_GROUP_PROTOCOL: 23,
  UNKNOWN_MEMBER_ID: 25,
  INVALID_SESSION_TIMEOUT: 26,
  REBALANCE_IN_PROGRESS: 27,
  INVALID_TIMESTAMP: 32,
  TOPIC_ALREADY_EXISTS: 36,
  INVALID_CONFIG: 40,
  OUT_OF_ORDER_SEQUENCE_NUMBER: 45,
  DUPLICATE_SEQUENCE_NUMBER: 46,
  INVALID_PRODUCER_EPOCH: 47,
  INVALID_TXN_STATE: 48,
  INVALID_PRODUCER_ID_MAPPING: 49,
  INVALID_TRANSACTION_TIMEOUT: 50,
  CONCURRENT_TRANSACTIONS: 51,
  OPERATION_NOT_ATTEMPTED: 55,
  UNKNOWN_PRODUCER_ID: 59,
  NON_EMPTY_GROUP: 68,
  GROUP_ID_NOT_FOUND: 69,
  MEMBER_ID_REQUIRED: 79,
  FENCED_INSTANCE_ID: 82,
  INVALID_RECORD: 87,
  UNSTABLE_OFFSET_COMMIT: 88,
  PRODUCER_FENCED: 90,
  UNKNOWN_TOPIC_ID: 100,
  TRANSACTION_ABORTABLE: 120,
} as const

const NAMES: Readonly<Record<number, string>> = {
  [-1]: 'UNKNOWN_SERVER_ERROR',
  ...Object.fromEntries(Object.entries(KafkaCode).map(([name, code]) => [code, name])),
  5: 'LEADER_NOT_AVAILABLE',
  6: 'NOT_LEADER_OR_FOLLOWER',
  7: 'REQUEST_TIMED_OUT',
  9: 'REPLICA_NOT_AVAILABLE',
  13: 'NETWORK_EXCEPTION',
  14: 'COORDINATOR_LOAD_IN_PROGRESS',
  15: 'COORDINATOR_NOT_AVAILABLE',
  16: 'NOT_COORDINATOR',
  19: 'NOT_ENOUGH_REPLICAS',
  20: 'NOT_ENOUGH_REPLICAS_AFTER_APPEND',
  24: 'INVALID_GROUP_ID',
  29: 'TOPIC_AUTHORIZATION_FAILED',
  30: 'GROUP_AUTHORIZATION_FAILED',
  31: 'CLUSTER_AUTHORIZATION_FAILED',
  33: 'UNSUPPORTED_SASL_MECHANISM',
  34: 'ILLEGAL_SASL_STATE',
  35: 'UNSUPPORTED_VERSION',
  37: 'INVALID_PARTITIONS',
  38: 'INVALID_REPLICATION_FACTOR',
  41: 'NOT_CONTROLLER',
  42: 'INVALID_REQUEST',
  43: 'UNSUPPORTED_FOR_MESSAGE_FORMAT',
  44: 'POLICY_VIOLATION',
  53: 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
  54: 'SECURITY_DISABLED',
  56: 'KAFKA_STORAGE_ERROR',
  58: 'SASL_AUTHENTICATION_FAILED',
  73: 'TOPIC_DELETION_DISABLED',
  74: 'FENCED_LEADER_EPOCH',
  75: 'UNKNOWN_LEADER_EPOCH',
  76: 'UNSUPPORTED_COMPRESSION_TYPE',
  78: 'OFFSET_NOT_AVAILABLE',
  81: 'GROUP_MAX_SIZE_REACHED',
  84: 'ELECTION_NOT_NEEDED',
  89: 'THROTTLING_QUOTA_EXCEEDED',
  103: 'INCONSISTENT_TOPIC_ID',
}

/** Somebody else leads the partition by now, or nobody yet: ask for metadata and try there. */
const LEADER_MOVED = new Set([3, 5, 6, 9, 56, 74, 75, 78, 100, 103])
/** Somebody else coordinates by now: find the coordinator again. */
const COORDINATOR_MOVED = new Set([15, 16])
const DENIED = new Set([29, 30, 31, 53])
/** The same request may succeed later where it was sent to. */
const LATER = new Set([7, 13, 14, 19, 20, 41, 51, 89])

/** Kafka's name of an error number. */
export function kafkaErrorName(code: number): string {
  return NAMES[code] ?? `KAFKA_ERROR_${code}`
}

/** Whether another broker is to be asked, as metadata will tell. */
export function leaderMoved(code: number): boolean {
  return LEADER_MOVED.has(code)
}

/** Whether the group or transaction has another coordinator by now. */
export function coordinatorMoved(code: number): boolean {
  return COORDINATOR_MOVED.has(code)
}

/** Whether the broker refused for lack of an ACL. */
export function isDenied(code: number): boolean {
  return DENIED.has(code)
}

/**
 * The error to throw where nothing special is known of `code`. `what` says what was tried, as in "creating topic
 * readings"; `detail` is the broker's own message, where it sends one.
 */
export function kafkaError(code: number, what: string, detail: string | null = null): MillraceError {
  const name = kafkaErrorName(code)
  const answer = `the broker answered ${name}${detail === null || detail === '' ? '' : ` (${detail})`}`
  if (DENIED.has(code)) {
    return new FatalError('ACCESS_DENIED', `No permission for ${what}: ${answer}. An ACL is missing.`)
  }
  const message = `The log failed at ${what}: ${answer}.`
  if (LATER.has(code) || LEADER_MOVED.has(code) || COORDINATOR_MOVED.has(code)) {
    return new RetriableError(name, message)
  }
  return new FatalError(name, message)
}
