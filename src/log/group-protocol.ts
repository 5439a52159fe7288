/** What a group member asks of a coordinator: Kafka's classic protocol, its payloads opaque. */
import type { GroupMember, GroupMemberMetadata } from './log.ts'

/** JoinGroup. */
export interface JoinRequest {
  readonly groupId: string
  readonly groupInstanceId: string | null
  readonly memberId: string
  /** Whether no JoinGroup of this member id was answered yet; the answer may name another id to use from then on. */
  readonly newMember: boolean
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  readonly metadata: Uint8Array
}

/** The generation that a JoinGroup led to. */
export interface JoinAnswer {
  readonly memberId: string
  readonly generation: number
  /** The leader hands out the work among `members`, itself included; they are empty for the others. */
  readonly leader: boolean
  readonly members: readonly GroupMemberMetadata[]
}

/** A member as it names itself in every later call. */
export interface MemberReference extends GroupMember {
  readonly groupInstanceId: string | null
}

/** SyncGroup. */
export interface SyncRequest extends MemberReference {
  /** By member id; from the leader only. */
  readonly assignments: ReadonlyMap<string, Uint8Array> | null
}

/**
 * Errors: `FencedError` with `UNKNOWN_MEMBER_ID` (expelled, or never a member), `ILLEGAL_GENERATION` (a rebalance was
 * missed) or `FENCED_INSTANCE_ID` (another one took the name); `RetriableError` with `REBALANCE_IN_PROGRESS` (sync
 * only: join again) or any other code (ask again); anything else ends the membership.
 */
export interface GroupProtocol {
  /** Answers when every member has joined, or the rebalance timed out. Safe to repeat. */
  join(request: JoinRequest): Promise<JoinAnswer>
  /** Answers with the member's assignment when the leader has brought it. Safe to repeat. */
  sync(request: SyncRequest): Promise<Uint8Array>
  heartbeat(member: MemberReference): Promise<'stable' | 'rebalancing'>
  /** Leaves at once; no error when the member is not known. */
  leave(member: MemberReference): Promise<void>
}
