/** Requests about partitions, each of which goes to the partition's leader. */
import { FatalError, RetriableError } from '../../../errors.ts'
import { partitionKey, type TopicPartition } from '../../log.ts'
import { patiently } from '../retry.ts'
import type { Address } from '../transport/channel.ts'
import { KafkaCode, kafkaError, leaderMoved } from '../wire/error-code.ts'
import type { PartitionOutcome } from '../wire/topic-calls.ts'
import type { Cluster } from './cluster.ts'

/**
 * What each partition's leader answers, in the order asked; asks again where a leader moved or cannot be reached.
 * `FatalError` `TOPIC_UNKNOWN` where a topic or partition does not exist; other codes as `failure` says.
 */
export async function askLeaders<Item extends TopicPartition, Outcome extends PartitionOutcome>(
  cluster: Cluster,
  items: readonly Item[],
  ask: (leader: Address, items: readonly Item[]) => Promise<readonly Outcome[]>,
  failure: (outcome: Outcome) => Error,
): Promise<Outcome[]> {
  const outcomes = new Map<string, Outcome>()
  await patiently({ clock: cluster.clock, withinMs: cluster.requestTimeoutMs }, async () => {
    const open = items.filter((item) => !outcomes.has(partitionKey(item)))
    const groups = await groupByLeader(cluster, open)
    const answers = await Promise.all([...groups].map(([leader, members]) => askLeader(leader, members)))
    for (const outcome of answers.flat()) {
      if (outcome.code === KafkaCode.NONE) outcomes.set(partitionKey(outcome), outcome)
    }
    const failed = answers.flat().find(({ code }) => code !== KafkaCode.NONE)
    if (failed === undefined) return
    throw leaderMoved(failed.code) ? kafkaError(failed.code, partitionKey(failed)) : failure(failed)
  })
  return items.map((item) => outcomes.get(partitionKey(item))!)

  async function askLeader(leader: Address, members: readonly Item[]): Promise<readonly Outcome[]> {
    try {
      const answered = await ask(leader, members)
      for (const { code, topic } of answered) if (leaderMoved(code)) cluster.forgetPlace(topic)
      return answered
    } catch (error) {
      for (const { topic } of members) cluster.forgetPlace(topic)
      throw error
    }
  }
}

/**
 * Partitions by the address of their leader. `FatalError` `TOPIC_UNKNOWN` or `ACCESS_DENIED`, `RetriableError`
 * `LEADER_NOT_AVAILABLE` where a partition has no leader at the moment.
 */
export async function groupByLeader<Item extends TopicPartition>(
  cluster: Cluster,
  items: readonly Item[],
): Promise<Map<Address, Item[]>> {
  const places = await cluster.locate([...new Set(items.map(({ topic }) => topic))])
  const groups = new Map<Address, Item[]>()
  for (const item of items) {
    const place = places.get(item.topic)
    if (place === undefined || place instanceof FatalError) throw place ?? unknownPartition(item)
    const leader = place.leaders[item.partition]
    if (leader === undefined) throw unknownPartition(item)
    const address = cluster.node(leader)
    if (address === undefined) {
      cluster.forgetPlace(item.topic)
      throw new RetriableError('LEADER_NOT_AVAILABLE', `${partitionKey(item)} has no leader at the moment.`)
    }
    const group = groups.get(address)
    if (group === undefined) groups.set(address, [item])
    else group.push(item)
  }
  return groups
}

/** `TOPIC_UNKNOWN` for a partition that a topic does not have. */
export function unknownPartition({ topic, partition }: TopicPartition): FatalError {
  return new FatalError('TOPIC_UNKNOWN', `There is no partition ${partition} of a topic ${topic}.`)
}
