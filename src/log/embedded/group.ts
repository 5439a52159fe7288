/** One consumer group: its members and the rebalances they go through, as Kafka's classic coordinator runs them. */
import type { Clock, Timer } from '../../clock.ts'
import { FencedError, RetriableError } from '../../errors.ts'
import type { GroupDescription, GroupMember } from '../log.ts'
import type { JoinAnswer, JoinRequest, MemberReference, SyncRequest } from '../membership.ts'
import { newDeferred, type Deferred } from './deferred.ts'
import { transitionGroup, type GroupState } from './group-state.ts'

interface Member {
  memberId: string
  readonly instanceId: string | null
  sessionTimeoutMs: number
  rebalanceTimeoutMs: number
  metadata: Uint8Array
  assignment: Uint8Array
  /** Its JoinGroup, while it waits for the others. */
  joining: Deferred<JoinAnswer> | null
  /** Its SyncGroup, while it waits for the leader's. */
  syncing: Deferred<Uint8Array> | null
  /** Whether it has been part of a generation yet. */
  admitted: boolean
  /** Whether it has asked for its assignment of this generation. */
  synced: boolean
  expiry: Timer | null
}

const NO_ASSIGNMENT = new Uint8Array(0)

/** Goes through the states of group-state.ts. */
export class Group {
  readonly groupId: string
  state: GroupState = 'empty'
  /** Never goes down, also over a restart of the broker. */
  generation: number

  private readonly clock: Clock
  private readonly persist: (generation: number) => Promise<void>
  private readonly members = new Map<string, Member>()
  private leaderId: string | null = null
  /** The end of the present phase: of joining, or of handing out. */
  private deadline: Timer | null = null

  /** `persist` stores a new generation before anybody learns it. */
  constructor(
    groupId: string,
    generation: number,
    clock: Clock,
    persist: (generation: number) => Promise<void>,
  ) {
    this.groupId = groupId
    this.generation = generation
    this.clock = clock
    this.persist = persist
  }

  /** Resolves with the new generation when all members have joined or the rebalance timed out. */
  join(request: JoinRequest): Promise<JoinAnswer> {
    const member = this.members.get(request.memberId) ?? this.admit(request)
    const changed = !sameBytes(member.metadata, request.metadata)
    member.metadata = request.metadata
    member.sessionTimeoutMs = request.sessionTimeoutMs
    member.rebalanceTimeoutMs = request.rebalanceTimeoutMs
    this.touch(member)
    // A repeated join, or one of a member that restarted under its name: the generation goes on as it is.
    const current =
      this.state === 'completing' || (this.state === 'stable' && member.memberId !== this.leaderId)
    if (current && !changed && member.joining === null && member.admitted) {
      return Promise.resolve(this.joinAnswer(member))
    }
    member.joining?.reject(
      new RetriableError('JOIN_REPEATED', 'A later join of the same member took its place.'),
    )
    const joining = newDeferred<JoinAnswer>()
    member.joining = joining
    if (this.state === 'preparing') this.completeWhenAllJoined()
    else this.prepare()
    return joining.promise
  }

  /** The leader brings the assignments; everybody gets its own. */
  sync(request: SyncRequest): Promise<Uint8Array> {
    const member = this.current(request)
    this.touch(member)
    if (this.state === 'preparing') throw rebalancing()
    member.synced = true
    if (this.state === 'completing' && request.assignments !== null && member.memberId === this.leaderId) {
      for (const [memberId, assignment] of request.assignments) {
        const receiver = this.members.get(memberId)
        if (receiver !== undefined) receiver.assignment = assignment
      }
      this.state = transitionGroup(this.state, 'stable')
      for (const waiting of this.members.values()) {
        waiting.syncing?.resolve(waiting.assignment)
        waiting.syncing = null
        this.touch(waiting)
      }
    }
    if (this.state === 'stable') return Promise.resolve(member.assignment)
    member.syncing?.reject(rebalancing())
    member.syncing = newDeferred()
    return member.syncing.promise
  }

  heartbeat(reference: MemberReference): 'stable' | 'rebalancing' {
    const member = this.current(reference)
    this.touch(member)
    return this.state === 'preparing' ? 'rebalancing' : 'stable'
  }

  /** A member that is unknown has left already. */
  leave(reference: MemberReference): void {
    const member = this.members.get(reference.memberId)
    if (member !== undefined) this.remove(member)
  }

  /** Whether `member` may store offsets; without one, only while the group has no members. */
  checkOffsetCommit(member: GroupMember | null): void {
    if (member !== null) this.current({ ...member, groupInstanceId: null })
    else if (this.members.size > 0) throw this.unknownMember('A writer without membership')
  }

  describe(): GroupDescription {
    const states = {
      empty: 'empty',
      preparing: 'rebalancing',
      completing: 'rebalancing',
      stable: 'stable',
    } as const
    const state = this.state === 'dead' ? 'dead' : states[this.state]
    return { groupId: this.groupId, state, memberIds: [...this.members.keys()] }
  }

  /** Forgets an empty group. */
  markDead(): void {
    this.state = transitionGroup(this.state, 'dead')
  }

  /** Calls off all timers; what waits goes on waiting. */
  stop(): void {
    this.deadline?.cancel()
    for (const member of this.members.values()) member.expiry?.cancel()
  }

  /** A member that is not known under its id: new, or the successor of one with the same name. */
  private admit(request: JoinRequest): Member {
    const { memberId, groupInstanceId } = request
    const named = groupInstanceId === null ? undefined : this.findNamed(groupInstanceId)
    if (!request.newMember) {
      if (named !== undefined) throw fencedInstance(groupInstanceId ?? '')
      throw this.unknownMember(memberId)
    }
    if (named !== undefined) return this.replace(named, memberId)
    const member: Member = {
      memberId,
      instanceId: groupInstanceId,
      sessionTimeoutMs: request.sessionTimeoutMs,
      rebalanceTimeoutMs: request.rebalanceTimeoutMs,
      metadata: request.metadata,
      assignment: NO_ASSIGNMENT,
      joining: null,
      syncing: null,
      admitted: false,
      synced: false,
      expiry: null,
    }
    this.members.set(memberId, member)
    return member
  }

  private replace(member: Member, memberId: string): Member {
    const fenced = fencedInstance(member.instanceId ?? '')
    member.joining?.reject(fenced)
    member.syncing?.reject(fenced)
    member.joining = null
    member.syncing = null
    this.members.delete(member.memberId)
    if (this.leaderId === member.memberId) {
      this.leaderId = this.state === 'stable' ? null : memberId
    }
    member.memberId = memberId
    this.members.set(memberId, member)
    return member
  }

  private prepare(): void {
    for (const member of this.members.values()) {
      if (member.syncing === null) continue
      member.syncing.reject(rebalancing())
      member.syncing = null
      this.touch(member)
    }
    this.state = transitionGroup(this.state, 'preparing')
    this.setDeadline(() => this.complete())
    this.completeWhenAllJoined()
  }

  private completeWhenAllJoined(): void {
    for (const member of this.members.values()) if (member.joining === null) return
    this.complete()
  }

  /** Begins a generation with those that have joined. */
  private complete(): void {
    for (const member of [...this.members.values()]) {
      // A named member that is only away for a while keeps its place until its session ends.
      if (member.joining === null && member.instanceId === null) this.drop(member)
    }
    const joined = [...this.members.values()].filter((member) => member.joining !== null)
    if (joined.length === 0 && this.members.size > 0) return this.setDeadline(() => this.complete())
    this.deadline?.cancel()
    this.generation += 1
    const stored = this.persist(this.generation)
    if (joined.length === 0) {
      this.leaderId = null
      this.state = transitionGroup(this.state, 'empty')
      stored.catch(() => undefined)
      return
    }
    if (!joined.some((member) => member.memberId === this.leaderId)) this.leaderId = joined[0]!.memberId
    this.state = transitionGroup(this.state, 'completing')
    this.setDeadline(() => this.removeUnsynced())
    for (const member of this.members.values()) {
      member.assignment = NO_ASSIGNMENT
      member.synced = false
    }
    for (const member of joined) {
      const { joining } = member
      member.joining = null
      member.admitted = true
      this.touch(member)
      const answer = this.joinAnswer(member)
      stored.then(
        () => joining?.resolve(answer),
        (error: unknown) => joining?.reject(error),
      )
    }
  }

  private removeUnsynced(): void {
    for (const member of [...this.members.values()]) {
      if (!member.synced && member.instanceId === null) this.remove(member)
    }
    // The leader may be a named member that is away.
    if (this.state === 'completing') this.prepare()
  }

  private joinAnswer(member: Member): JoinAnswer {
    const leader = member.memberId === this.leaderId && this.state === 'completing'
    const members = leader
      ? [...this.members.values()].map(({ memberId, metadata }) => ({ memberId, metadata }))
      : []
    return { memberId: member.memberId, generation: this.generation, leader, members }
  }

  private remove(member: Member): void {
    this.drop(member)
    if (this.state === 'preparing') this.completeWhenAllJoined()
    else this.prepare()
  }

  private drop(member: Member): void {
    const unknown = this.unknownMember(member.memberId)
    member.joining?.reject(unknown)
    member.syncing?.reject(unknown)
    member.expiry?.cancel()
    this.members.delete(member.memberId)
    if (this.leaderId === member.memberId) this.leaderId = null
  }

  /** Starts the member's session time-out anew. */
  private touch(member: Member): void {
    member.expiry?.cancel()
    member.expiry = this.clock.schedule(
      member.sessionTimeoutMs,
      () => {
        // Who waits for the others sends no heartbeats.
        if (member.joining !== null || member.syncing !== null) this.touch(member)
        else this.remove(member)
      },
      { background: true },
    )
  }

  private setDeadline(callback: () => void): void {
    this.deadline?.cancel()
    const longest = [...this.members.values()].map((member) => member.rebalanceTimeoutMs)
    this.deadline = this.clock.schedule(Math.max(0, ...longest), callback, { background: true })
  }

  private current(reference: MemberReference): Member {
    const member = this.members.get(reference.memberId)
    if (member === undefined) {
      const instance = reference.groupInstanceId
      if (instance !== null && this.findNamed(instance) !== undefined) throw fencedInstance(instance)
      throw this.unknownMember(reference.memberId)
    }
    if (reference.generation !== this.generation) {
      throw new FencedError(
        'ILLEGAL_GENERATION',
        `Group ${this.groupId} is at generation ${this.generation}, the member at ${reference.generation}.`,
      )
    }
    return member
  }

  private findNamed(instanceId: string): Member | undefined {
    for (const member of this.members.values()) if (member.instanceId === instanceId) return member
    return undefined
  }

  private unknownMember(who: string): FencedError {
    return new FencedError('UNKNOWN_MEMBER_ID', `${who} does not belong to group ${this.groupId}.`)
  }
}

function rebalancing(): RetriableError {
  return new RetriableError('REBALANCE_IN_PROGRESS', 'The group rebalances.')
}

function fencedInstance(instanceId: string): FencedError {
  return new FencedError('FENCED_INSTANCE_ID', `Another member joined as ${instanceId}.`)
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
