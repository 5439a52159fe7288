/**
 * What a client asks of a broker. The broker itself answers it inside its process, a socket client from another one,
 * and a simulation puts delays and losses in between. So arguments and answers can be cloned (no functions, no
 * classes but Buffer and Map), errors are told by class name and code alone, and each call is safe when its
 * request or its answer is lost: a call that is repeated takes effect once, one that comes too late takes none.
 *
 * Errors are those of errors.ts; where a call says nothing else it may fail with `RetriableError` when the broker
 * cannot be reached, and `FatalError` when its log cannot be written (any code of engine.ts) or is closed
 * (`LOG_CLOSED`).
 */
import type {
  GroupDescription,
  GroupMember,
  Offset,
  PartitionOffset,
  TopicDescription,
  TopicPartition,
  TopicSpec,
} from '../log.ts'
import type { GroupProtocol } from '../membership.ts'

/** A partition to read, and what the reader was told of it last. */
export interface FetchPartition extends TopicPartition {
  /** `null` at first; later what the answer said, so that a topic made anew is not taken for the old one. */
  readonly topicId: string | null
  readonly offset: Offset
  readonly maxBytes: number
  /** Without: the broker answers at once. */
  readonly seen: PartitionProgress | null
}

/** High watermark, last stable offset and start. */
export interface PartitionProgress {
  readonly end: Offset
  readonly stable: Offset
  readonly start: Offset
}

/** What a reader would like to know. */
export interface FetchRequest {
  readonly partitions: readonly FetchPartition[]
  /** How long the broker waits for news. */
  readonly maxWaitMs: number
}

/** News of one partition: committed batches, or that its progress differs from what was seen. */
export interface FetchedPartition extends TopicPartition, PartitionProgress {
  readonly topicId: string
  readonly batches: Buffer
  readonly nextOffset: Offset
}

/** Why a partition cannot be read on. */
export interface FetchError extends TopicPartition {
  readonly code: 'OFFSET_OUT_OF_RANGE' | 'TOPIC_UNKNOWN' | 'RECORD_BATCH_CORRUPT'
  readonly message: string
}

/** Partitions without news are absent. */
export interface FetchAnswer {
  readonly partitions: readonly FetchedPartition[]
  readonly errors: readonly FetchError[]
}

/** Who wants to be the holder of a transactional id. */
export interface InitProducerRequest {
  readonly transactionalId: string
  readonly transactionTimeoutMs: number
  /** See `ProducerOptions`. */
  readonly unsafeWithoutTransactions: boolean
}

/** Proves who holds a transactional id: of two, the one with the higher epoch. */
export interface ProducerIdentity {
  readonly producerId: bigint
  readonly epoch: number
}

/**
 * Which call of which transaction: transactions of a producer are numbered upward, the calls of one from 0. So a
 * repeated call is known, one of an ended transaction is refused, and a transaction whose beginning was lost with a
 * broker is not taken for a new one.
 */
export interface TransactionStep extends ProducerIdentity {
  readonly transactionalId: string
  readonly transaction: number
  /** For the end: how many calls were made. */
  readonly step: number
}

/** One whole record batch; the buffer belongs to the broker from then on. */
export interface ProducedBatch extends TopicPartition {
  readonly buffer: Buffer
}

/** Batches for any number of partitions. */
export interface ProduceRequest extends TransactionStep {
  readonly batches: readonly ProducedBatch[]
}

/** Offsets of a group; without `member` the group must have none. */
export interface AddOffsetsRequest extends TransactionStep {
  readonly groupId: string
  readonly offsets: readonly PartitionOffset[]
  readonly member: GroupMember | null
}

/** The end of a transaction. */
export interface EndTransactionRequest extends TransactionStep {
  readonly commit: boolean
}

/** Every call there is; see the head of this file for what all of them promise. */
export interface BrokerConnection extends GroupProtocol {
  createTopics(specs: readonly TopicSpec[]): Promise<void>
  describeTopics(names: readonly string[]): Promise<ReadonlyMap<string, TopicDescription>>
  listTopics(): Promise<readonly string[]>
  deleteTopics(names: readonly string[]): Promise<void>
  deleteRecords(before: readonly PartitionOffset[]): Promise<void>

  offsets(
    which: 'start' | 'end' | 'stable',
    partitions: readonly TopicPartition[],
  ): Promise<readonly Offset[]>
  offsetAtTime(partition: TopicPartition, timestampMs: number): Promise<Offset>
  /** `RetriableError` `OFFSETS_UNSTABLE`, at once, while one of them belongs to a transaction not yet visible. */
  committedOffsets(
    groupId: string,
    partitions: readonly TopicPartition[],
  ): Promise<readonly (Offset | null)[]>
  describeGroup(groupId: string): Promise<GroupDescription>
  deleteGroup(groupId: string): Promise<void>

  /** Answers as soon as there is news of a partition, or when the time is over. */
  fetch(request: FetchRequest): Promise<FetchAnswer>

  /** `RetriableError` `CONCURRENT_TRANSACTIONS` while an earlier transaction of the id is being ended. */
  initProducer(request: InitProducerRequest): Promise<ProducerIdentity>
  /** All batches or none; the base offset of each. `CONCURRENT_TRANSACTIONS` as above. */
  produce(request: ProduceRequest): Promise<readonly Offset[]>
  addOffsets(request: AddOffsetsRequest): Promise<void>
  /** `AbortableError` `TRANSACTION_LOST` when the broker does not know all of its steps: then it is not committed. */
  endTransaction(request: EndTransactionRequest): Promise<void>
}

/** The names of all calls. */
export const BROKER_METHODS = [
  'createTopics',
  'describeTopics',
  'listTopics',
  'deleteTopics',
  'deleteRecords',
  'offsets',
  'offsetAtTime',
  'committedOffsets',
  'describeGroup',
  'deleteGroup',
  'fetch',
  'initProducer',
  'produce',
  'addOffsets',
  'endTransaction',
  'join',
  'sync',
  'heartbeat',
  'leave',
] as const satisfies readonly (keyof BrokerConnection)[]

/** The name of a call. */
export type BrokerMethod = (typeof BROKER_METHODS)[number]

/** A connection whose calls all go through `call`, which has to give what the method of that name promises. */
export function connectionThrough(
  call: (method: BrokerMethod, args: readonly unknown[]) => Promise<unknown>,
): BrokerConnection {
  const methods = BROKER_METHODS.map((method) => {
    return [method, (...args: unknown[]) => call(method, args)] as const
  })
  return Object.fromEntries(methods) as unknown as BrokerConnection
}

/** Calls a method by its name. */
export function callMethod(
  connection: BrokerConnection,
  method: BrokerMethod,
  args: readonly unknown[],
): Promise<unknown> {
  return Reflect.apply(connection[method], connection, args) as Promise<unknown>
}
