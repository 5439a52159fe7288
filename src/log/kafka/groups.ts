/** Groups from outside: their offsets, who is in them, forgetting them. */
import { FatalError, RetriableError } from '../../errors.ts'
import { partitionKey, type GroupDescription, type Offset, type TopicPartition } from '../log.ts'
import { askCoordinator, type CoordinatorRoute } from './cluster/ask-coordinator.ts'
import type { Cluster } from './cluster/cluster.ts'
import { patiently } from './retry.ts'
import type { ChannelSet } from './transport/channel-set.ts'
import { KafkaCode, kafkaError } from './wire/error-code.ts'
import { deleteGroup, describeGroup, fetchOffsets, type DescribedGroup } from './wire/group-calls.ts'

const PATIENCE_MS = 30_000
const LONGEST_PAUSE_MS = 20

const STATES: Readonly<Record<string, GroupDescription['state']>> = {
  Stable: 'stable',
  PreparingRebalance: 'rebalancing',
  CompletingRebalance: 'rebalancing',
  Empty: 'empty',
  Dead: 'dead',
}

/** The part of the log port that is about groups but for joining them. */
export class KafkaGroups {
  private readonly cluster: Cluster
  private readonly channels: ChannelSet

  constructor(cluster: Cluster) {
    this.cluster = cluster
    this.channels = cluster.newChannels()
  }

  async committedOffsets(
    groupId: string,
    partitions: readonly TopicPartition[],
  ): Promise<readonly (Offset | null)[]> {
    if (partitions.length === 0) return []
    const found = new Map<string, Offset>()
    await this.patiently(async () => {
      const answer = await askCoordinator(
        this.route(groupId),
        fetchOffsets,
        { groupId, partitions },
        (told) => {
          return [told.code, ...told.partitions.map(({ code }) => code)]
        },
      )
      for (const { code, topic, partition, offset } of [
        { ...NOTHING, code: answer.code },
        ...answer.partitions,
      ]) {
        if (code === KafkaCode.UNSTABLE_OFFSET_COMMIT) throw unstable(groupId)
        if (code !== KafkaCode.NONE) throw kafkaError(code, `reading the offsets of group ${groupId}`)
        if (offset >= 0n) found.set(partitionKey({ topic, partition }), offset)
      }
    })
    return partitions.map((partition) => found.get(partitionKey(partition)) ?? null)
  }

  async describeGroup(groupId: string): Promise<GroupDescription> {
    const { state, memberIds } = await this.describe(groupId)
    return { groupId, state: STATES[state] ?? 'rebalancing', memberIds }
  }

  async deleteGroup(groupId: string): Promise<void> {
    await this.patiently(async () => {
      const { code } = await askCoordinator(this.route(groupId), deleteGroup, { groupId }, codeOf)
      if (code === KafkaCode.NONE || code === KafkaCode.GROUP_ID_NOT_FOUND) return
      if (code === KafkaCode.NON_EMPTY_GROUP) {
        throw new FatalError('GROUP_NOT_EMPTY', `Group ${groupId} has members.`)
      }
      throw kafkaError(code, `deleting group ${groupId}`)
    })
  }

  close(): void {
    this.channels.close()
  }

  private describe(groupId: string): Promise<DescribedGroup> {
    return this.patiently(async () => {
      const group = await askCoordinator(this.route(groupId), describeGroup, { groupId }, codeOf)
      if (group.code === KafkaCode.GROUP_ID_NOT_FOUND) return { ...group, state: 'Dead', memberIds: [] }
      if (group.code !== KafkaCode.NONE) throw kafkaError(group.code, `describing group ${groupId}`)
      return group
    })
  }

  private route(id: string): CoordinatorRoute {
    return { cluster: this.cluster, channels: this.channels, type: 'group', id }
  }

  private patiently<T>(work: () => Promise<T>): Promise<T> {
    const { clock } = this.cluster
    return patiently({ clock, withinMs: PATIENCE_MS, longestPauseMs: LONGEST_PAUSE_MS }, work)
  }
}

const NOTHING = { topic: '', partition: -1, offset: -1n }

function codeOf({ code }: { readonly code: number }): readonly number[] {
  return [code]
}

function unstable(groupId: string): RetriableError {
  const text = `Offsets of group ${groupId} are part of a transaction whose outcome is not visible yet.`
  return new RetriableError('OFFSETS_UNSTABLE', text)
}
