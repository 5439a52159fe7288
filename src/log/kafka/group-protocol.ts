/** The group protocol of membership.ts, as a Kafka coordinator speaks it. */
import { FatalError, FencedError, RetriableError } from '../../errors.ts'
import type {
  GroupProtocol,
  JoinAnswer,
  JoinRequest,
  MemberReference,
  SyncRequest,
} from '../group-protocol.ts'
import { askCoordinator } from './cluster/ask-coordinator.ts'
import type { Cluster } from './cluster/cluster.ts'
import { decodeAssignment, decodeSubscription, encodeAssignment, encodeSubscription } from './subscription.ts'
import type { ChannelSet } from './transport/channel-set.ts'
import type { Answer, ApiCall } from './wire/api-call.ts'
import { KafkaCode, kafkaError } from './wire/error-code.ts'
import { heartbeat, joinGroup, leaveGroup, syncGroup, type CodeAnswer } from './wire/group-calls.ts'

/** Members that cannot agree on a protocol of one name are not let into the same group. */
const PROTOCOL = 'millrace'
/** A heartbeat that is not answered for so long is sent again, over another connection. */
const HEARTBEATS_A_SESSION = 3
/** What a coordinator may take longer than the rebalance itself. */
const MARGIN_MS = 10_000

/**
 * One member. JoinGroup and SyncGroup are answered when the others are ready, and a broker answers a connection's
 * requests one after the other: so they have a channel of their own, and heartbeats go beside it.
 */
export class KafkaGroupProtocol implements GroupProtocol {
  private readonly cluster: Cluster
  private readonly topics: readonly string[]
  private readonly rebalancing: ChannelSet
  private readonly beating: ChannelSet
  /** The id that the coordinator has given: kept over repeated joins, so that no ghosts are left behind. */
  private givenId = ''
  private sessionTimeoutMs = 10_000

  /** `topics`: whose offsets the group commits, for Kafka's tools. */
  constructor(cluster: Cluster, topics: readonly string[]) {
    this.cluster = cluster
    this.topics = topics
    this.rebalancing = cluster.newChannels()
    this.beating = cluster.newChannels()
  }

  async join(request: JoinRequest): Promise<JoinAnswer> {
    this.sessionTimeoutMs = request.sessionTimeoutMs
    const memberId = request.memberId === '' ? this.givenId : request.memberId
    const fields = {
      ...request,
      memberId,
      protocol: PROTOCOL,
      metadata: encodeSubscription(this.topics, request.metadata),
    }
    const withinMs = request.rebalanceTimeoutMs + MARGIN_MS
    let answer = await this.ask(this.rebalancing, request.groupId, joinGroup, fields, withinMs)
    if (answer.code === KafkaCode.MEMBER_ID_REQUIRED) {
      this.givenId = answer.memberId
      const again = { ...fields, memberId: answer.memberId }
      answer = await this.ask(this.rebalancing, request.groupId, joinGroup, again, withinMs)
    }
    this.check(answer, `joining group ${request.groupId}`)
    this.givenId = answer.memberId
    const leader = answer.leader === answer.memberId && !answer.skipAssignment
    return {
      memberId: answer.memberId,
      generation: answer.generation,
      leader,
      members: leader ? answer.members.map(decodeMember) : [],
    }
  }

  async sync({ assignments, ...member }: SyncRequest): Promise<Uint8Array> {
    const given = new Map(
      [...(assignments ?? [])].map(([memberId, assignment]) => [memberId, encodeAssignment(assignment)]),
    )
    const request = { ...member, protocol: PROTOCOL, assignments: given }
    const answer = await this.ask(this.rebalancing, member.groupId, syncGroup, request)
    this.check(answer, `taking the work of group ${member.groupId}`)
    return decodeAssignment(answer.assignment)
  }

  async heartbeat(member: MemberReference): Promise<'stable' | 'rebalancing'> {
    const withinMs = this.sessionTimeoutMs / HEARTBEATS_A_SESSION
    const answer = await this.ask(this.beating, member.groupId, heartbeat, member, withinMs)
    if (answer.code === KafkaCode.REBALANCE_IN_PROGRESS) return 'rebalancing'
    this.check(answer, `staying in group ${member.groupId}`)
    return 'stable'
  }

  async leave(member: MemberReference): Promise<void> {
    const memberId = member.memberId === '' ? this.givenId : member.memberId
    if (memberId === '') return
    // Who does not get through soon is expelled when the session ends.
    const withinMs = this.sessionTimeoutMs / HEARTBEATS_A_SESSION
    const answer = await this.ask(this.beating, member.groupId, leaveGroup, { ...member, memberId }, withinMs)
    if (answer.code !== KafkaCode.UNKNOWN_MEMBER_ID) this.check(answer, `leaving group ${member.groupId}`)
  }

  /** Drops the connections. */
  close(): void {
    this.rebalancing.close()
    this.beating.close()
  }

  private ask<Request, Response extends CodeAnswer & Answer>(
    channels: ChannelSet,
    id: string,
    api: ApiCall<Request, Response>,
    request: Request,
    timeoutMs?: number,
  ): Promise<Response> {
    const route = { cluster: this.cluster, channels, type: 'group', id } as const
    return askCoordinator(route, api, request, ({ code }) => [code], timeoutMs)
  }

  private check({ code }: CodeAnswer, what: string): void {
    switch (code) {
      case KafkaCode.NONE:
        return
      case KafkaCode.UNKNOWN_MEMBER_ID:
        this.givenId = ''
        throw new FencedError('UNKNOWN_MEMBER_ID', `Failed at ${what}: the group does not know this member.`)
      case KafkaCode.ILLEGAL_GENERATION:
        throw new FencedError('ILLEGAL_GENERATION', `Failed at ${what}: a rebalance was missed.`)
      case KafkaCode.FENCED_INSTANCE_ID:
        throw new FencedError('FENCED_INSTANCE_ID', `Failed at ${what}: another member has taken the name.`)
      case KafkaCode.REBALANCE_IN_PROGRESS:
        throw new RetriableError('REBALANCE_IN_PROGRESS', `Failed at ${what}: a rebalance began.`)
      case KafkaCode.INVALID_SESSION_TIMEOUT: {
        const bounds = 'group.min.session.timeout.ms and group.max.session.timeout.ms'
        const text = `Failed at ${what}: the session time-out lies outside of the brokers' ${bounds}.`
        throw new FatalError('SESSION_TIMEOUT_REFUSED', text)
      }
      case KafkaCode.INCONSISTENT_GROUP_PROTOCOL: {
        const text = `Failed at ${what}: consumers of another kind are in the group.`
        throw new FatalError('GROUP_PROTOCOL_DIFFERS', text)
      }
      default:
        throw kafkaError(code, what)
    }
  }
}

function decodeMember({ memberId, metadata }: { readonly memberId: string; readonly metadata: Buffer }): {
  readonly memberId: string
  readonly metadata: Uint8Array
} {
  return { memberId, metadata: decodeSubscription(metadata) }
}
