/** All consumer groups of a broker: membership and committed offsets. */
import type { Clock } from '../../clock.ts'
import { FatalError, FencedError, RetriableError } from '../../errors.ts'
import {
  partitionKey,
  type GroupDescription,
  type GroupMember,
  type Offset,
  type PartitionOffset,
  type TopicPartition,
} from '../log.ts'
import type { JoinAnswer, JoinRequest, MemberReference, SyncRequest } from '../membership.ts'
import type { Engine, EngineOp } from './engine.ts'
import { Group } from './group.ts'
import { keyOf, rangeOf } from './storage-layout.ts'
import { put, read } from './stored-entries.ts'
import type { WriteQueue } from './write-queue.ts'

interface GroupOffsets {
  readonly committed: Map<string, PartitionOffset>
  /** How many transactions that are not visible hold an offset of the partition. */
  readonly pending: Map<string, number>
}

/** Keeps groups, their generations and offsets, and hands calls to the group they are for. */
export class GroupCoordinator {
  private readonly engine: Engine
  private readonly queue: WriteQueue
  private readonly clock: Clock
  private readonly groups = new Map<string, Group>()
  private readonly offsets = new Map<string, GroupOffsets>()

  constructor(engine: Engine, queue: WriteQueue, clock: Clock) {
    this.engine = engine
    this.queue = queue
    this.clock = clock
  }

  /** Reads generations and offsets; members have to join again. */
  async load(): Promise<void> {
    const limit = Number.MAX_SAFE_INTEGER
    for (const stored of await this.engine.scan({ ...rangeOf.groups, limit })) {
      const { groupId, entry } = read.group(stored)
      this.groups.set(groupId, this.newGroup(groupId, entry.generation))
    }
    for (const stored of await this.engine.scan({ ...rangeOf.groupOffsets, limit })) {
      const { groupId, topic, partition, offset } = read.groupOffset(stored)
      const at = { topic, partition, offset: BigInt(offset) }
      this.offsetsOf(groupId).committed.set(partitionKey(at), at)
    }
  }

  join(request: JoinRequest): Promise<JoinAnswer> {
    let group = this.groups.get(request.groupId)
    if (group === undefined) {
      group = this.newGroup(request.groupId, 0)
      this.groups.set(request.groupId, group)
    }
    return group.join(request)
  }

  sync(request: SyncRequest): Promise<Uint8Array> {
    return this.known(request).sync(request)
  }

  heartbeat(reference: MemberReference): 'stable' | 'rebalancing' {
    return this.known(reference).heartbeat(reference)
  }

  leave(reference: MemberReference): void {
    this.groups.get(reference.groupId)?.leave(reference)
  }

  describe(groupId: string): GroupDescription {
    const group = this.groups.get(groupId)
    if (group !== undefined) return group.describe()
    return { groupId, state: this.offsets.has(groupId) ? 'empty' : 'dead', memberIds: [] }
  }

  async delete(groupId: string): Promise<void> {
    const group = this.groups.get(groupId)
    if (group !== undefined) {
      if (group.state !== 'empty') throw new FatalError('GROUP_NOT_EMPTY', `Group ${groupId} has members.`)
      group.markDead()
    }
    this.groups.delete(groupId)
    const committed = this.offsets.get(groupId)?.committed ?? new Map<string, PartitionOffset>()
    const ops: EngineOp[] = [...committed.values()].map((at) => ({
      key: keyOf.groupOffset(groupId, at.topic, at.partition),
      value: null,
    }))
    committed.clear()
    this.dropIfEmpty(groupId)
    if (group !== undefined) ops.push({ key: keyOf.group(groupId), value: null })
    if (ops.length > 0) await this.queue.write(ops, { sync: false })
  }

  /** `FencedError` when the member, or nobody, may store offsets of the group now. */
  checkOffsetCommit(groupId: string, member: GroupMember | null): void {
    const group = this.groups.get(groupId)
    if (group !== undefined) group.checkOffsetCommit(member)
    else if (member !== null) throw unknownMember(member.memberId, groupId)
  }

  /** `RetriableError` `OFFSETS_UNSTABLE` while the outcome for one of them is open. */
  committed(groupId: string, partitions: readonly TopicPartition[]): (Offset | null)[] {
    const offsets = this.offsets.get(groupId)
    return partitions.map((at) => {
      const key = partitionKey(at)
      if (offsets?.pending.has(key)) {
        throw new RetriableError(
          'OFFSETS_UNSTABLE',
          `A transaction holds the offset of ${key} in ${groupId}.`,
        )
      }
      return offsets?.committed.get(key)?.offset ?? null
    })
  }

  /** A transaction has come to hold these offsets. */
  hold(groupId: string, at: TopicPartition): void {
    const { pending } = this.offsetsOf(groupId)
    const key = partitionKey(at)
    pending.set(key, (pending.get(key) ?? 0) + 1)
  }

  /** The transaction ended; with `commit` its offsets are the group's now. */
  release(groupId: string, held: Iterable<PartitionOffset>, commit: boolean): void {
    const { committed, pending } = this.offsetsOf(groupId)
    for (const at of held) {
      const key = partitionKey(at)
      const left = (pending.get(key) ?? 1) - 1
      if (left === 0) pending.delete(key)
      else pending.set(key, left)
      if (commit) committed.set(key, { topic: at.topic, partition: at.partition, offset: at.offset })
    }
    this.dropIfEmpty(groupId)
  }

  /** What is to be written for these offsets. */
  offsetOps(groupId: string, offsets: Iterable<PartitionOffset>): EngineOp[] {
    return [...offsets].map(({ topic, partition, offset }) => {
      return put.groupOffset({ groupId, topic, partition, offset: Number(offset) })
    })
  }

  /** A topic is gone, and with it the offsets in it. */
  forgetTopics(topics: ReadonlySet<string>): EngineOp[] {
    const ops: EngineOp[] = []
    for (const [groupId, { committed }] of this.offsets) {
      for (const [key, { topic, partition }] of committed) {
        if (!topics.has(topic)) continue
        committed.delete(key)
        ops.push({ key: keyOf.groupOffset(groupId, topic, partition), value: null })
      }
      this.dropIfEmpty(groupId)
    }
    return ops
  }

  stop(): void {
    for (const group of this.groups.values()) group.stop()
  }

  private newGroup(groupId: string, generation: number): Group {
    return new Group(groupId, generation, this.clock, (next) =>
      this.queue.write([put.group(groupId, { generation: next })], {
        sync: false,
      }),
    )
  }

  private known(reference: MemberReference): Group {
    const group = this.groups.get(reference.groupId)
    if (group === undefined) throw unknownMember(reference.memberId, reference.groupId)
    return group
  }

  private offsetsOf(groupId: string): GroupOffsets {
    let offsets = this.offsets.get(groupId)
    if (offsets === undefined) {
      offsets = { committed: new Map(), pending: new Map() }
      this.offsets.set(groupId, offsets)
    }
    return offsets
  }

  private dropIfEmpty(groupId: string): void {
    const offsets = this.offsets.get(groupId)
    if (offsets?.committed.size === 0 && offsets.pending.size === 0) this.offsets.delete(groupId)
  }
}

function unknownMember(memberId: string, groupId: string): FencedError {
  return new FencedError('UNKNOWN_MEMBER_ID', `${memberId} does not belong to group ${groupId}.`)
}
