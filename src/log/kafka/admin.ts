/** Topics: making, describing, deleting them, and their offsets. */
import { sleep } from '../../clock.ts'
import { FatalError, RetriableError } from '../../errors.ts'
import {
  partitionKey,
  type Offset,
  type PartitionOffset,
  type TopicDescription,
  type TopicPartition,
  type TopicSpec,
} from '../log.ts'
import { askLeaders } from './cluster/at-leaders.ts'
import type { Cluster } from './cluster/cluster.ts'
import { patiently } from './retry.ts'
import { configsOf, limitsOf, SETTING_NAMES, settingsOf } from './topic-configs.ts'
import { AclOperation, type TopicMetadata } from './wire/cluster-calls.ts'
import { KafkaCode, kafkaError, leaderMoved } from './wire/error-code.ts'
import {
  createTopics,
  deleteRecords,
  deleteTopics,
  describeTopicConfigs,
  EARLIEST,
  LATEST,
  listOffsets,
  NEWEST,
  type PartitionTime,
  type TimedOffset,
  type TopicOutcome,
} from './wire/topic-calls.ts'

const LOOK_AGAIN_MS = 20

/** The part of the log port that is about topics. */
export class KafkaAdmin {
  private readonly cluster: Cluster
  private readonly replicas: number
  /** Whether brokers know `message.timestamp.after.max.ms` (Kafka 3.6, KIP-937). */
  private knowsTimestampBounds = true

  constructor(cluster: Cluster, replicas: number) {
    this.cluster = cluster
    this.replicas = replicas
  }

  async createTopics(specs: readonly TopicSpec[]): Promise<void> {
    if (specs.length === 0) return
    const missing = await this.missing(specs)
    if (missing.length === 0) return
    await this.patiently(() => this.create(missing))
    await this.untilAll(missing, ({ code, partitions }) => {
      return code === KafkaCode.NONE && partitions.every(({ leader }) => leader >= 0)
    })
    // Somebody else may have made one with another partition count meanwhile.
    await this.missing(missing)
  }

  async describeTopics(names: readonly string[]): Promise<ReadonlyMap<string, TopicDescription>> {
    if (names.length === 0) return new Map()
    const found = (await this.metadata(names, true)).filter(({ code }) => code === KafkaCode.NONE)
    if (found.length === 0) return new Map()
    const configs = await this.configs(found.map(({ name }) => name))
    const brokers = this.cluster.brokerCount
    return new Map(
      found.flatMap(({ name, topicId, partitions, operations }) => {
        const told = configs.get(name)
        if (told === undefined) return []
        const replicas = Math.min(...partitions.map((partition) => partition.replicas))
        const mayRead = (operations & AclOperation.READ) !== 0
        const mayWrite = (operations & AclOperation.WRITE) !== 0
        const limits = limitsOf(told, { replicas, brokers, mayRead, mayWrite })
        const settings = settingsOf(told)
        return [[name, { name, topicId, partitions: partitions.length, settings, limits }] as const]
      }),
    )
  }

  /** Kafka's own topics left out. */
  async listTopics(): Promise<readonly string[]> {
    const { topics } = await this.patiently(() => this.cluster.metadata(null))
    const names = topics.filter(({ internal }) => !internal).map(({ name }) => name)
    return names.sort((a, b) => (a < b ? -1 : 1))
  }

  async deleteTopics(names: readonly string[]): Promise<void> {
    if (names.length === 0) return
    const { requestTimeoutMs: timeoutMs } = this.cluster
    await this.patiently(async () => {
      const answer = await this.cluster.askController(deleteTopics, { names, timeoutMs })
      const bad = answer.topics.find(({ code }) => !DELETED.has(code))
      if (bad !== undefined) throw kafkaError(bad.code, `deleting topic ${bad.name}`, bad.message)
    })
    for (const name of names) this.cluster.forgetPlace(name)
    const gone = names.map((name) => ({ name }))
    await this.untilAll(gone, ({ code }) => code === KafkaCode.UNKNOWN_TOPIC_OR_PARTITION)
  }

  async deleteRecords(before: readonly PartitionOffset[]): Promise<void> {
    const { requestTimeoutMs: timeoutMs } = this.cluster
    await askLeaders(
      this.cluster,
      before,
      async (leader, members) => {
        return (await this.cluster.ask(leader, deleteRecords, { before: members, timeoutMs })).partitions
      },
      (outcome) => {
        const where = partitionKey(outcome)
        if (outcome.code !== KafkaCode.OFFSET_OUT_OF_RANGE) {
          return kafkaError(outcome.code, `deleting records of ${where}`)
        }
        return new FatalError('OFFSET_OUT_OF_RANGE', `An offset lies behind the end of ${where}.`)
      },
    )
  }

  async offsets(
    which: 'start' | 'end' | 'stable',
    partitions: readonly TopicPartition[],
  ): Promise<readonly Offset[]> {
    const time = which === 'start' ? EARLIEST : LATEST
    const times = partitions.map(({ topic, partition }) => ({ topic, partition, time }))
    return (await this.listOffsets(times, which === 'stable')).map(({ offset }) => offset)
  }

  /**
   * An offset at or before the first record whose timestamp is at or after `timestampMs`; the high watermark where
   * there is none. It may lie before it, because brokers look at the time stamps of transaction markers too.
   */
  async offsetBeforeTime(partition: TopicPartition, timestampMs: number): Promise<Offset> {
    const { topic, partition: number } = partition
    // Negative times stand for something else in the protocol.
    const time = BigInt(Math.max(0, Math.ceil(timestampMs)))
    // Open transactions count: their records may become visible, and nobody must be led past them.
    const lookUp = async (wanted: bigint): Promise<TimedOffset> => {
      return (await this.listOffsets([{ topic, partition: number, time: wanted }], false))[0]!
    }
    const { offset } = await lookUp(time)
    if (offset >= 0n) return offset
    // Kafka 4.1 also finds nothing when the first batch with such a record begins below the start of the partition
    // and the record lies there, whatever comes behind it.
    const newest = await lookUp(NEWEST)
    return (await lookUp(newest.timestamp >= time ? EARLIEST : LATEST)).offset
  }

  private async listOffsets(times: readonly PartitionTime[], committedOnly: boolean): Promise<TimedOffset[]> {
    return askLeaders(
      this.cluster,
      times,
      async (leader, members) => {
        return (await this.cluster.ask(leader, listOffsets, { committedOnly, times: members })).partitions
      },
      (outcome) => kafkaError(outcome.code, `finding offsets of ${partitionKey(outcome)}`),
    )
  }

  /** Those that do not exist. `TOPIC_PARTITIONS_DIFFER` where one exists otherwise. */
  private async missing(specs: readonly TopicSpec[]): Promise<TopicSpec[]> {
    const found = new Map(
      (await this.metadata(specs.map(({ name }) => name))).map((topic) => [topic.name, topic]),
    )
    return specs.filter(({ name, partitions }) => {
      const topic = found.get(name)
      if (topic === undefined || topic.code !== KafkaCode.NONE) return true
      if (topic.partitions.length === partitions) return false
      throw new FatalError(
        'TOPIC_PARTITIONS_DIFFER',
        `Topic ${name} exists with ${topic.partitions.length} partitions instead of ${partitions}.`,
      )
    })
  }

  private async create(specs: readonly TopicSpec[]): Promise<void> {
    const answer = await this.cluster.askController(createTopics, {
      topics: specs.map(({ name, partitions, settings }) => {
        const configs = configsOf(settings ?? {}, this.knowsTimestampBounds)
        return { name, partitions, replicas: this.replicas, configs }
      }),
      timeoutMs: this.cluster.requestTimeoutMs,
    })
    const bad = answer.topics.filter(({ code }) => !MADE.has(code))
    const [first] = bad
    if (first === undefined) return
    if (this.knowsTimestampBounds && bad.every(isUnknownSetting)) {
      this.knowsTimestampBounds = false
      throw new RetriableError('INVALID_CONFIG', first.message ?? 'a setting is not known')
    }
    if (first.code === KafkaCode.INVALID_TOPIC_EXCEPTION) {
      throw new FatalError('TOPIC_INVALID', `${first.name} cannot be a topic name: ${first.message}`)
    }
    throw kafkaError(first.code, `creating topic ${first.name}`, first.message)
  }

  /** Metadata of topics that exist or do not; anything else fails. */
  private metadata(names: readonly string[], withOperations = false): Promise<readonly TopicMetadata[]> {
    return this.patiently(async () => {
      const { topics } = await this.cluster.metadata(names, withOperations)
      for (const { code, name } of topics) {
        const known = code === KafkaCode.NONE || code === KafkaCode.UNKNOWN_TOPIC_OR_PARTITION
        if (!known && code !== KafkaCode.INVALID_TOPIC_EXCEPTION) throw kafkaError(code, `topic ${name}`)
      }
      return topics
    })
  }

  private async configs(names: readonly string[]): Promise<Map<string, ReadonlyMap<string, string>>> {
    return this.patiently(async () => {
      const answer = await this.cluster.askAny(describeTopicConfigs, { names, settings: SETTING_NAMES })
      const found = new Map<string, ReadonlyMap<string, string>>()
      for (const { name, code, message, configs } of answer.topics) {
        if (code === KafkaCode.NONE) found.set(name, configs)
        else if (!leaderMoved(code)) throw kafkaError(code, `describing topic ${name}`, message)
      }
      return found
    })
  }

  /** Until every broker sees the topics so. */
  private async untilAll(
    topics: readonly { readonly name: string }[],
    condition: (topic: TopicMetadata) => boolean,
  ): Promise<void> {
    const { clock, requestTimeoutMs } = this.cluster
    const names = topics.map(({ name }) => name)
    const untilMs = clock.monotonic() + requestTimeoutMs
    for (;;) {
      const answers = await this.cluster.metadataOfEach(names)
      const seen = answers.flatMap((answer) => answer.topics)
      if (answers.length > 0 && seen.every(condition)) break
      if (clock.monotonic() >= untilMs) {
        throw new RetriableError(
          'TOPICS_NOT_SETTLED',
          `The brokers do not agree yet about ${names.join(', ')}.`,
        )
      }
      await sleep(clock, LOOK_AGAIN_MS)
    }
  }

  private patiently<T>(work: () => Promise<T>): Promise<T> {
    const { clock, requestTimeoutMs: withinMs } = this.cluster
    return patiently({ clock, withinMs }, work)
  }
}

const MADE: ReadonlySet<number> = new Set([KafkaCode.NONE, KafkaCode.TOPIC_ALREADY_EXISTS])
const DELETED: ReadonlySet<number> = new Set([KafkaCode.NONE, KafkaCode.UNKNOWN_TOPIC_OR_PARTITION])

function isUnknownSetting({ code, message }: TopicOutcome): boolean {
  return code === KafkaCode.INVALID_CONFIG && /message\.timestamp/.test(message ?? '')
}
