/** A member's side of a consumer group, over any coordinator that speaks `GroupProtocol`. */
import { sleep, type Clock, type Timer } from '../clock.ts'
import { FencedError, RetriableError } from '../errors.ts'
import type { GroupProtocol, JoinAnswer, MemberReference } from './group-protocol.ts'
import type { GroupMember, GroupMembership, JoinGroupOptions } from './log.ts'
import { transitionMembership, type MembershipState } from './membership-state.ts'

export type {
  GroupProtocol,
  JoinAnswer,
  JoinRequest,
  MemberReference,
  SyncRequest,
} from './group-protocol.ts'

const BACKOFF_MS = 100
const LEAVE_ATTEMPTS = 3
const NO_ASSIGNMENT = new Uint8Array(0)

/** What a membership runs on. */
export interface MembershipParts {
  readonly protocol: GroupProtocol
  readonly clock: Clock
  readonly options: JoinGroupOptions
  /** An id for a first JoinGroup; empty where the coordinator gives it. */
  readonly newMemberId: () => string
}

/**
 * Runs the state machine of membership-state.ts: one step at a time, each listener call awaited. Heartbeats go on
 * beside it from the moment a generation is known until the next JoinGroup.
 */
export class Membership implements GroupMembership {
  state: MembershipState = 'joining'

  private readonly parts: MembershipParts
  private readonly sessionTimeoutMs: number
  private readonly leaving = new AbortController()
  private readonly ended: Promise<void>
  private memberId: string
  /** Whether the coordinator has answered a join of `memberId`. */
  private admitted = false
  private generation = -1
  private joined: JoinAnswer | null = null
  private assignments: ReadonlyMap<string, Uint8Array> | null = null
  private assignment: Uint8Array = NO_ASSIGNMENT
  private heartbeats = { timer: null as Timer | null, stopped: true }
  /** What the heartbeats have found: an error when expelled. */
  private trouble: 'rebalance' | Error | null = null
  private rejoinRequested = false
  private wake: () => void = () => undefined
  private closed = false

  /** Joins at once. */
  constructor(parts: MembershipParts) {
    this.parts = parts
    this.sessionTimeoutMs = parts.options.sessionTimeoutMs ?? 10_000
    this.memberId = parts.newMemberId()
    this.ended = this.run()
  }

  requestRejoin(): void {
    this.rejoinRequested = true
    this.wake()
  }

  async leave(): Promise<void> {
    this.leaving.abort()
    this.wake()
    await this.ended
  }

  /** Ends without calling the listener. A named member keeps its place until its session ends; others leave. */
  async close(): Promise<void> {
    if (this.closed || this.state === 'left' || this.state === 'failed') return
    this.closed = true
    this.state = transitionMembership(this.state, 'left')
    this.stopHeartbeats()
    this.leaving.abort()
    this.wake()
    if (this.parts.options.groupInstanceId === undefined) await this.sendLeave()
  }

  private async run(): Promise<void> {
    const steps = {
      joining: () => this.join(),
      syncing: () => this.sync(),
      assigning: () => this.takeAssignment(),
      stable: () => this.waitForTrouble(),
      revoking: () => this.revoke(),
      losing: () => this.lose(),
    }
    while (this.state !== 'left' && this.state !== 'failed') {
      try {
        await steps[this.state]()
      } catch (error) {
        if (!this.closed) this.fail(error)
      }
    }
  }

  private async join(): Promise<void> {
    this.stopHeartbeats()
    if (this.isLeaving) return this.depart()
    this.trouble = null
    this.rejoinRequested = false
    const { groupId, groupInstanceId, rebalanceTimeoutMs, metadata } = this.parts.options
    try {
      this.joined = await this.unlessLeaving(
        this.parts.protocol.join({
          groupId,
          groupInstanceId: groupInstanceId ?? null,
          memberId: this.memberId,
          newMember: !this.admitted,
          sessionTimeoutMs: this.sessionTimeoutMs,
          rebalanceTimeoutMs: rebalanceTimeoutMs ?? 60_000,
          metadata: metadata(),
        }),
      )
    } catch (error) {
      return this.recover(error)
    }
    if (this.joined === null) return
    this.memberId = this.joined.memberId
    this.generation = this.joined.generation
    this.admitted = true
    this.assignments = null
    this.go('syncing')
    this.startHeartbeats()
  }

  private async sync(): Promise<void> {
    if (this.isLeaving) return this.depart()
    if (this.trouble instanceof Error) return this.recover(this.trouble)
    const { joined } = this
    if (joined?.leader && this.assignments === null) {
      const given = await this.parts.options.assign(joined.members)
      this.assignments = new Map(
        joined.members.map(({ memberId }) => [memberId, given.get(memberId) ?? NO_ASSIGNMENT]),
      )
    }
    let assignment: Uint8Array | null
    try {
      const request = { ...this.reference(), assignments: this.assignments }
      assignment = await this.unlessLeaving(this.parts.protocol.sync(request))
    } catch (error) {
      return this.recover(error)
    }
    if (assignment === null) return
    this.assignment = assignment
    this.go('assigning')
  }

  private async takeAssignment(): Promise<void> {
    await this.parts.options.listener.onAssigned(this.assignment, this.member())
    this.goOn('stable')
  }

  private async waitForTrouble(): Promise<void> {
    if (this.trouble === null && !this.rejoinRequested && !this.isLeaving) {
      await new Promise<void>((resolve) => (this.wake = resolve))
    }
    this.goOn('stable')
  }

  /** From `assigning` or `stable` to where the news leads; to `otherwise` without any. */
  private goOn(otherwise: 'stable'): void {
    if (this.closed) return
    if (this.trouble instanceof Error) this.go('losing')
    else if (this.trouble !== null || this.rejoinRequested || this.isLeaving) this.go('revoking')
    else if (this.state !== otherwise) this.go(otherwise)
  }

  private async revoke(): Promise<void> {
    await this.parts.options.listener.onRevoked()
    if (this.closed) return
    // Expelled meanwhile: nothing is owned any more that could be lost.
    if (this.trouble instanceof Error) this.takeNewIdentity(this.trouble)
    this.go('joining')
  }

  private async lose(): Promise<void> {
    this.stopHeartbeats()
    const reason = this.trouble as Error
    await this.parts.options.listener.onLost(reason)
    if (this.closed) return
    this.takeNewIdentity(reason)
    this.go('joining')
  }

  /** After a failed join or sync: the way on, or the end of the membership. */
  private async recover(error: unknown): Promise<void> {
    if (this.closed) return
    if (error instanceof FencedError) {
      this.takeNewIdentity(error)
    } else if (!(error instanceof RetriableError)) {
      throw error
    } else if (this.state === 'joining' || error.code !== 'REBALANCE_IN_PROGRESS') {
      // The same again: a join, or a sync with what was assigned.
      await sleep(this.parts.clock, BACKOFF_MS, this.leaving.signal)
      return
    }
    if (this.state === 'syncing') this.go('joining')
  }

  /** Who was expelled joins as a new member; whose name was taken by another does not. */
  private takeNewIdentity(reason: Error): void {
    if (reason instanceof FencedError && reason.code !== 'FENCED_INSTANCE_ID') {
      this.memberId = this.parts.newMemberId()
      this.admitted = false
      this.generation = -1
    } else {
      throw reason
    }
  }

  /** Owning nothing any more. */
  private async depart(): Promise<void> {
    this.stopHeartbeats()
    await this.sendLeave()
    if (!this.closed) this.go('left')
  }

  private async sendLeave(): Promise<void> {
    for (let attempt = 0; attempt < LEAVE_ATTEMPTS; attempt += 1) {
      try {
        return await this.parts.protocol.leave(this.reference())
      } catch (error) {
        // Left out of reach, the coordinator expels the member when its session ends.
        if (!(error instanceof RetriableError)) return
        await sleep(this.parts.clock, BACKOFF_MS)
      }
    }
  }

  private fail(error: unknown): void {
    const reason = error instanceof Error ? error : new Error(String(error))
    this.go('failed')
    this.stopHeartbeats()
    if (reason instanceof FencedError === false) void this.sendLeave()
    this.parts.options.listener.onFailed(reason)
  }

  private startHeartbeats(): void {
    const intervalMs = this.parts.options.heartbeatIntervalMs ?? this.sessionTimeoutMs / 3
    const heartbeats = { timer: null as Timer | null, stopped: false }
    const arm = (): void => {
      heartbeats.timer = this.parts.clock.schedule(intervalMs, () => void beat())
    }
    const beat = async (): Promise<void> => {
      const found = await this.beat()
      if (heartbeats.stopped) return
      if (found !== null && !(this.trouble instanceof Error)) {
        this.trouble = found
        this.wake()
      }
      if (!(this.trouble instanceof Error)) arm()
    }
    this.heartbeats = heartbeats
    arm()
  }

  private async beat(): Promise<'rebalance' | Error | null> {
    try {
      return (await this.parts.protocol.heartbeat(this.reference())) === 'rebalancing' ? 'rebalance' : null
    } catch (error) {
      if (error instanceof RetriableError) return null
      return error instanceof Error ? error : new Error(String(error))
    }
  }

  private stopHeartbeats(): void {
    this.heartbeats.stopped = true
    this.heartbeats.timer?.cancel()
  }

  private get isLeaving(): boolean {
    return this.leaving.signal.aborted
  }

  /** The answer, or null when leaving comes first. */
  private async unlessLeaving<T>(answer: Promise<T>): Promise<T | null> {
    const { signal } = this.leaving
    let stop: () => void = () => undefined
    const left = new Promise<null>((resolve) => {
      stop = () => resolve(null)
      if (signal.aborted) stop()
      else signal.addEventListener('abort', stop)
    })
    try {
      return await Promise.race([answer, left])
    } finally {
      signal.removeEventListener('abort', stop)
    }
  }

  private member(): GroupMember {
    return { groupId: this.parts.options.groupId, memberId: this.memberId, generation: this.generation }
  }

  private reference(): MemberReference {
    return { ...this.member(), groupInstanceId: this.parts.options.groupInstanceId ?? null }
  }

  private go(to: MembershipState): void {
    this.state = transitionMembership(this.state, to)
  }
}
