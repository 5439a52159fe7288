/**
 * The log port: everything millrace needs of Kafka, and nothing more.
 *
 * What lives in `log/`: this port, the record-batch codec and the partitioner that both adapters share, and the
 * adapters themselves (`embedded/`, `kafka/`). What never does: state stores, topologies, event time.
 *
 * Words: an **offset** is a bigint and always "next to read". The **high watermark** (`end`) is the offset the next
 * written record gets; the **last stable offset** (`stable`) is the first offset that belongs to a transaction whose
 * outcome is not yet visible, or the high watermark where there is none. Readers see committed records only.
 * Offsets have gaps: transaction markers, aborted records and compacted records take up offsets that are never
 * delivered, so progress is told by positions, never by counting records.
 *
 * Errors of every method are one of errors.ts: `RetriableError` (call again), `FencedError`, `AbortableError`,
 * `UnknownOutcomeError` (commit only), `FatalError`.
 */
import type { RecordBatches } from './record-cursor.ts'
import type { RecordBatchBuilder } from './record-batch-builder.ts'

/** "Next to read"; counts from 0. */
export type Offset = bigint

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

export interface PartitionOffset extends TopicPartition {
  readonly offset: Offset
}

/** A partition as a map key. */
export function partitionKey({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`
}

/** Settings of a topic that millrace relies on; what is not given has the default named here. */
export interface TopicSettings {
  /**
   * `delete`: records older than `retentionMs` go. `compact`: the newest record of each key stays. Default `delete`.
   */
  readonly cleanup?: 'delete' | 'compact'
  /** Age by record timestamp against the wall clock after which records may go; -1 for never. Default -1. */
  readonly retentionMs?: number
  /** How long a compacted topic keeps tombstones. Default 24 hours. */
  readonly deleteRetentionMs?: number
  /** Largest record batch in bytes. Default 1,048,588, as Kafka's. */
  readonly maxMessageBytes?: number
  /** Whether record timestamps are the writer's or the log's. Default `create`. */
  readonly timestampType?: 'create' | 'append'
}

export interface TopicSpec {
  readonly name: string
  /** At least 1. */
  readonly partitions: number
  readonly settings?: TopicSettings
}

export interface TopicDescription {
  readonly name: string
  /** Differs between a topic and a later one of the same name. */
  readonly topicId: string
  readonly partitions: number
  readonly settings: Required<TopicSettings>
  readonly limits: TopicLimits
}

/**
 * What a topic that somebody else made may do beyond the settings of the port. Topics made by `createTopics` take any
 * timestamp, and a compacted one deletes nothing by age.
 */
export interface TopicLimits {
  /** A record whose timestamp lies further before the log's clock is refused. `Infinity`: none is. */
  readonly timestampBeforeMaxMs: number
  /** The same for timestamps after the log's clock. */
  readonly timestampAfterMaxMs: number
  /** Whether a compacted topic deletes by age as well. */
  readonly compactsAndDeletes: boolean
  /** Fewest copies that a partition has. */
  readonly replicas: number
  /** Copies that must hold a record before it counts as written. */
  readonly minInsyncReplicas: number
  /** Brokers of the log: there cannot be more copies. */
  readonly brokers: number
  /** Whether this client is allowed to read, and to write, its records. */
  readonly mayRead: boolean
  readonly mayWrite: boolean
}

/** Who a consumer-group member is, as a transaction has to prove it (KIP-447). */
export interface GroupMember {
  readonly groupId: string
  readonly memberId: string
  readonly generation: number
}

export interface GroupDescription {
  readonly groupId: string
  /** `empty`: offsets but no members. `dead`: unknown group. */
  readonly state: 'stable' | 'rebalancing' | 'empty' | 'dead'
  readonly memberIds: readonly string[]
}

export interface Log {
  /**
   * Creates what does not exist yet. A topic that exists with the same partition count is left alone, settings
   * included; one with another count makes the call fail with `FatalError` `TOPIC_PARTITIONS_DIFFER`.
   */
  createTopics(specs: readonly TopicSpec[]): Promise<void>
  /** Names that do not exist are absent from the answer. */
  describeTopics(names: readonly string[]): Promise<ReadonlyMap<string, TopicDescription>>
  /** All topic names, sorted. */
  listTopics(): Promise<readonly string[]>
  /** Names that do not exist are passed over. */
  deleteTopics(names: readonly string[]): Promise<void>
  /** Raises the start of each partition to `offset` (at most its high watermark). Never lowers it. */
  deleteRecords(before: readonly PartitionOffset[]): Promise<void>

  /**
   * `start`: first offset that may still exist. `end`: high watermark. `stable`: last stable offset. One answer per
   * partition asked, in that order. `FatalError` `TOPIC_UNKNOWN` where the topic or partition does not exist.
   */
  offsets(
    which: 'start' | 'end' | 'stable',
    partitions: readonly TopicPartition[],
  ): Promise<readonly Offset[]>
  /** The first offset whose record timestamp is at or after `timestampMs`; the high watermark where there is none. */
  offsetAtTime(partition: TopicPartition, timestampMs: number): Promise<Offset>

  /**
   * A group's committed offsets; `null` where it has none. Waits (as KIP-447's `requireStable`) while an offset is
   * part of a transaction whose outcome is not yet visible; `RetriableError` `OFFSETS_UNSTABLE` if that takes too long.
   */
  committedOffsets(
    groupId: string,
    partitions: readonly TopicPartition[],
  ): Promise<readonly (Offset | null)[]>
  describeGroup(groupId: string): Promise<GroupDescription>
  /** Forgets a group and its offsets. `FatalError` `GROUP_NOT_EMPTY` while it has members. */
  deleteGroup(groupId: string): Promise<void>

  /** Reads partitions without a group. */
  reader(options?: ReaderOptions): LogReader
  /**
   * A transactional producer, initialised: an earlier holder of the transactional id is fenced and its open
   * transaction is aborted, or completed when its commit had been decided.
   */
  producer(options: ProducerOptions): Promise<LogProducer>
  /** Fences the holder of a transactional id without becoming one: its open transaction ends as `producer()` would. */
  fenceProducer(transactionalId: string): Promise<void>
  /** Joins a consumer group; resolves when membership has begun, before the first assignment. */
  joinGroup(options: JoinGroupOptions): Promise<GroupMembership>

  /** Closes readers, producers and memberships made from this object. Idempotent. */
  close(): Promise<void>
}

export interface ReaderOptions {
  /** Bytes held in memory ahead of what was polled, over all partitions. Default 16 MiB. */
  readonly prefetchBytes?: number
  /** Largest answer for one partition. One batch larger than this is still delivered whole. Default 1 MiB. */
  readonly maxPartitionBytes?: number
}

/** What a poll delivers for one partition. */
export interface FetchedChunk {
  readonly partition: TopicPartition
  /** The committed records from the reader's position on; possibly none although the position moved. */
  readonly batches: RecordBatches
  /** Where the reader stands after this chunk. */
  readonly nextOffset: Offset
  /** High watermark, last stable offset and start of the partition as the log told them with this chunk. */
  readonly end: Offset
  readonly stable: Offset
  readonly start: Offset
}

/** A failure of one partition, delivered once; the partition is unassigned. */
export interface FetchFailure {
  readonly partition: TopicPartition
  /**
   * `OFFSET_OUT_OF_RANGE`, `TOPIC_UNKNOWN`, `RECORD_BATCH_CORRUPT`, `ACCESS_DENIED`. Connection losses are not told:
   * they are retried.
   */
  readonly error: Error & { readonly code: string }
}

export interface PollResult {
  readonly chunks: readonly FetchedChunk[]
  readonly failures: readonly FetchFailure[]
}

/**
 * Reads any number of partitions, prefetching. Not for concurrent use: one `poll` at a time. `assign`, `unassign`,
 * `pause` and `resume` may be called while a poll is under way; nothing of an unassigned partition, and nothing
 * fetched from before an `assign` of the same partition, is delivered afterwards.
 */
export interface LogReader {
  /** Begins to read `partition` at `from`; an assigned partition moves there. */
  assign(partition: TopicPartition, from: Offset): void
  unassign(partition: TopicPartition): void
  /** Delivers nothing more of this partition until `resume`; what is prefetched stays. */
  pause(partition: TopicPartition): void
  resume(partition: TopicPartition): void
  /**
   * What has arrived, in order per partition; waits up to `maxWaitMs` (0: not at all) for the first to arrive.
   * An assigned partition without new data delivers nothing. A chunk is also delivered when only the position,
   * `end` or `stable` moved, so that "position equals end" can be seen.
   */
  poll(maxWaitMs: number): Promise<PollResult>
  close(): Promise<void>
}

export interface ProducerOptions {
  readonly transactionalId: string
  /** The log aborts a transaction that stays open longer. Default 10,000. */
  readonly transactionTimeoutMs?: number
  /**
   * For tests and benchmarks only, as planted fault and yardstick: what is sent is visible at once, offsets are
   * stored at once, `abort` undoes nothing.
   */
  readonly unsafeWithoutTransactions?: boolean
}

/** A batch to be appended to one partition, whole or not at all. */
export interface OutgoingBatch extends TopicPartition {
  readonly records: RecordBatchBuilder
}

/**
 * One transaction at a time: `begin`, any number of `send` and `addOffsets`, then `commit` or `abort`. After any
 * error but `RetriableError` the producer can only be aborted (`AbortableError`) or closed.
 */
export interface LogProducer {
  readonly transactionalId: string
  begin(): void
  /** Appends; resolves with the offset of each batch's first record, in the order given. An empty batch is refused. */
  send(batches: readonly OutgoingBatch[]): Promise<readonly Offset[]>
  /**
   * Makes the group's offsets part of the transaction. `member` proves that the sender still belongs to the group;
   * a stale generation or unknown member is `FencedError`. Without `member` only a group without members is written.
   */
  addOffsets(groupId: string, offsets: readonly PartitionOffset[], member?: GroupMember): Promise<void>
  /** `UnknownOutcomeError` when nobody knows: close this producer, never begin another transaction on it. */
  commit(): Promise<void>
  abort(): Promise<void>
  /** Aborts an open transaction and lets go of the connection. Idempotent. */
  close(): Promise<void>
}

export interface JoinGroupOptions {
  readonly groupId: string
  /** Topics whose offsets the group commits: for the log's own tools. Default none. */
  readonly topics?: readonly string[]
  /** Named members keep their place over a short absence (static membership). */
  readonly groupInstanceId?: string
  /** A member that is silent for longer is expelled. Default 10,000. */
  readonly sessionTimeoutMs?: number
  /** How long the others wait for a member to give up its work in a rebalance. Default 60,000. */
  readonly rebalanceTimeoutMs?: number
  /** Default a third of the session time-out. */
  readonly heartbeatIntervalMs?: number
  /** What the leader gets to know of this member; asked at each join. */
  metadata(): Uint8Array
  /** Called on the leader: hands out the work. A member that is left out gets an empty assignment. */
  assign(members: readonly GroupMemberMetadata[]): Promise<ReadonlyMap<string, Uint8Array>>
  readonly listener: MembershipListener
}

export interface GroupMemberMetadata {
  readonly memberId: string
  readonly metadata: Uint8Array
}

/** Each call is awaited before the protocol goes on; heartbeats go on meanwhile. They are never concurrent. */
export interface MembershipListener {
  /** This member now owns what `assignment` says, under `member`. */
  onAssigned(assignment: Uint8Array, member: GroupMember): Promise<void>
  /** A rebalance begins: commit and give up everything; JoinGroup is sent when this resolves. */
  onRevoked(): Promise<void>
  /** Expelled or fenced: everything already belongs to others; commit nothing. Joining again follows. */
  onLost(reason: Error): Promise<void>
  /** Membership ended for good with an error that joining again cannot mend. */
  onFailed(error: Error): void
}

export interface GroupMembership {
  /** Asks for a rebalance, for example because metadata changed. */
  requestRejoin(): void
  /** Calls `onRevoked`, then leaves, so that others take over at once. Idempotent. */
  leave(): Promise<void>
}
