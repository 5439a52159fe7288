/** The requests of one transactional id's transactions, by either of Kafka's two protocols. */
import { FencedError } from '../../../errors.ts'
import { partitionKey, type GroupMember, type PartitionOffset, type TopicPartition } from '../../log.ts'
import { askCoordinator, type CoordinatorRoute } from '../cluster/ask-coordinator.ts'
import { groupByLeader } from '../cluster/at-leaders.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { patiently, type Patience } from '../retry.ts'
import type { ChannelSet } from '../transport/channel-set.ts'
import type { Answer, ApiCall } from '../wire/api-call.ts'
import { isDenied, KafkaCode } from '../wire/error-code.ts'
import { describeGroup, type MemberFields } from '../wire/group-calls.ts'
import {
  addOffsetsToTransaction,
  addPartitionsToTransaction,
  commitTransactionalOffsets,
  endTransaction,
  initProducerId,
  NO_PRODUCER,
  type ProducerIdentity,
} from '../wire/transaction-calls.ts'
import { producerError } from './producer-error.ts'

/** The longest pause while an earlier transaction is being completed; it grows from 2 ms. */
const LONGEST_PAUSE_MS = 20

/** What a client of one transactional id is given. */
export interface TransactionClientParts {
  readonly cluster: Cluster
  readonly channels: ChannelSet
  readonly transactionalId: string
  readonly timeoutMs: number
  /** Highest version of the protocol to be used. */
  readonly transactionVersion: 1 | 2
  /** How long a request is repeated. */
  readonly patienceMs: number
}

/**
 * All requests are repeated while brokers ask for it or cannot be reached; each of them may be. `v2`: Transactions V2
 * (KIP-890), where writing and committing offsets need not be announced and each transaction has an epoch of its own.
 */
export class TransactionClient {
  identity: ProducerIdentity = NO_PRODUCER
  /** Whether Transactions V2 are used: decided by `init`. */
  v2 = false
  private readonly parts: TransactionClientParts
  private readonly announcedPartitions = new Set<string>()
  private readonly announcedGroups = new Set<string>()

  constructor(parts: TransactionClientParts) {
    this.parts = parts
  }

  /** Shuts out whoever holds the id, and waits at most so long until its transaction has ended. */
  async init(withinMs: number): Promise<void> {
    await this.patiently(async () => {
      const { transactionVersion, cluster } = this.parts
      this.v2 = transactionVersion === 2 && (await cluster.transactionVersion()) >= 2
    }, withinMs)
    await this.takeIdentity(NO_PRODUCER, withinMs)
  }

  /**
   * After a transaction of which parts may still be on their way: what comes late is shut out. With Transactions V2
   * every end does that.
   */
  async raiseEpoch(): Promise<void> {
    if (!this.v2) await this.takeIdentity(this.identity)
  }

  /** A transaction begins: nothing has been announced. */
  begin(): void {
    this.announcedPartitions.clear()
    this.announcedGroups.clear()
  }

  /** Has to come before the first batch for each partition of a transaction. */
  async announcePartitions(partitions: readonly TopicPartition[]): Promise<void> {
    if (this.v2) return
    const unique = new Map(partitions.map((partition) => [partitionKey(partition), partition]))
    const fresh = [...unique.values()].filter(
      (partition) => !this.announcedPartitions.has(partitionKey(partition)),
    )
    if (fresh.length === 0) return
    const { cluster, transactionalId } = this.parts
    // For a clear error: the coordinator's own does not tell which one is missing from which topic.
    await this.patiently(() => groupByLeader(cluster, fresh))
    await this.patiently(async () => {
      const request = { transactionalId, identity: this.identity, partitions: fresh }
      const answer = await this.ask(addPartitionsToTransaction, request, codesOf)
      this.check(firstFailure(answer.partitions), 'adding partitions')
    })
    for (const partition of fresh) this.announcedPartitions.add(partitionKey(partition))
  }

  /**
   * Makes a group's offsets part of the transaction. `FencedError` when `member` does not belong to the group any
   * more, or, without one, when the group has members.
   */
  async addOffsets(
    groupId: string,
    offsets: readonly PartitionOffset[],
    member: GroupMember | undefined,
  ): Promise<void> {
    const { cluster, channels, transactionalId } = this.parts
    const group: CoordinatorRoute = { cluster, channels, type: 'group', id: groupId }
    if (member === undefined) await this.checkNoMembers(group)
    if (!this.v2 && !this.announcedGroups.has(groupId)) {
      await this.patiently(async () => {
        const request = { transactionalId, identity: this.identity, groupId }
        const { code } = await this.ask(addOffsetsToTransaction, request, codeOf)
        this.check(code, `adding the offsets of group ${groupId}`)
      })
      this.announcedGroups.add(groupId)
    }
    const fields: MemberFields = {
      groupId,
      groupInstanceId: null,
      generation: member?.generation ?? -1,
      memberId: member?.memberId ?? '',
    }
    const api = commitTransactionalOffsets(this.v2 ? 5 : 3)
    await this.patiently(async () => {
      const request = { transactionalId, identity: this.identity, member: fields, offsets }
      const answer = await askCoordinator(group, api, request, codesOf, this.requestTimeoutMs)
      const topic = answer.partitions.find(({ code }) => isDenied(code))?.topic
      const where = topic === undefined ? '' : ` in topic ${topic}`
      this.check(firstFailure(answer.partitions), `committing the offsets of group ${groupId}${where}`)
    })
  }

  /**
   * Commits or aborts, and takes over the identity for the next transaction. `onDoubt` is called before the end is
   * told a second time because nobody knows what became of the first.
   */
  async end(commit: boolean, onDoubt: () => void = () => undefined): Promise<void> {
    const { transactionalId } = this.parts
    const api = endTransaction(this.v2 ? 5 : 3)
    let doubtful = false
    await this.patiently(async () => {
      if (doubtful) onDoubt()
      doubtful = true
      const request = { transactionalId, identity: this.identity, commit }
      const { code, identity } = await this.ask(api, request, codeOf)
      // Nothing of it ever arrived: there is nothing to abort.
      if (!commit && code === KafkaCode.INVALID_TXN_STATE) return
      // A refusal is an answer; what it refuses did not happen.
      if (code !== KafkaCode.NONE) doubtful = false
      if (code === KafkaCode.INVALID_TXN_STATE) throw this.ended()
      this.check(code, commit ? 'committing the transaction' : 'aborting the transaction')
      if (this.v2 && identity.producerId >= 0n) this.identity = identity
    })
  }

  /** One attempt at an abort, for a producer that is being closed. */
  async abortOnce(withinMs: number): Promise<void> {
    const { transactionalId } = this.parts
    const request = { transactionalId, identity: this.identity, commit: false }
    await askCoordinator(this.route, endTransaction(this.v2 ? 5 : 3), request, codeOf, withinMs)
  }

  private async takeIdentity(current: ProducerIdentity, withinMs = this.parts.patienceMs): Promise<void> {
    const { transactionalId, timeoutMs } = this.parts
    await this.patiently(async () => {
      const request = { transactionalId, timeoutMs, current }
      const answer = await this.ask(initProducerId, request, codeOf)
      this.check(answer.code, 'initialising the producer')
      this.identity = answer.identity
    }, withinMs)
  }

  /** Brokers let a transaction without a member write the offsets of any group, members or not. */
  private async checkNoMembers(group: CoordinatorRoute): Promise<void> {
    const request = { groupId: group.id }
    const { memberIds } = await this.patiently(() => askCoordinator(group, describeGroup, request, codeOf))
    if (memberIds.length === 0) return
    const text = `The offsets of group ${group.id} belong to its members.`
    throw new FencedError('UNKNOWN_MEMBER_ID', text)
  }

  private check(code: number, what: string): void {
    if (code !== KafkaCode.NONE) throw producerError(code, what, this.parts.transactionalId)
  }

  /** The log has ended it by itself: with Transactions V2 it says so instead of naming a newer epoch. */
  private ended(): FencedError {
    const text = `The transaction of ${this.parts.transactionalId} took too long, and was aborted by the log.`
    return new FencedError('PRODUCER_FENCED', text)
  }

  private get route(): CoordinatorRoute {
    const { cluster, channels, transactionalId } = this.parts
    return { cluster, channels, type: 'transaction', id: transactionalId }
  }

  private ask<Request, Response extends Answer>(
    api: ApiCall<Request, Response>,
    request: Request,
    codes: (answer: Response) => readonly number[],
  ): Promise<Response> {
    return askCoordinator(this.route, api, request, codes, this.requestTimeoutMs)
  }

  /** No request waits for longer than the transaction may be open. */
  private get requestTimeoutMs(): number {
    return Math.min(this.parts.cluster.requestTimeoutMs, this.parts.timeoutMs)
  }

  private patiently<T>(work: () => Promise<T>, withinMs = this.parts.patienceMs): Promise<T> {
    const { cluster } = this.parts
    const patience: Patience = { clock: cluster.clock, withinMs, longestPauseMs: LONGEST_PAUSE_MS }
    return patiently(patience, work)
  }
}

interface WithCode {
  readonly code: number
}

function codeOf({ code }: WithCode): readonly number[] {
  return [code]
}

function codesOf({ partitions }: { readonly partitions: readonly WithCode[] }): readonly number[] {
  return partitions.map(({ code }) => code)
}

/** What was not attempted failed because of another one. */
function firstFailure(partitions: readonly WithCode[]): number {
  const codes = codesOf({ partitions }).filter((code) => code !== KafkaCode.NONE)
  return codes.find((code) => code !== KafkaCode.OPERATION_NOT_ATTEMPTED) ?? codes[0] ?? KafkaCode.NONE
}
