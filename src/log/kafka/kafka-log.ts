/** The log port over a Kafka cluster. */
import { sleep } from '../../clock.ts'
import { FatalError } from '../../errors.ts'
import type {
  GroupDescription,
  GroupMembership,
  JoinGroupOptions,
  Log,
  LogProducer,
  LogReader,
  Offset,
  PartitionOffset,
  ProducerOptions,
  ReaderOptions,
  TopicDescription,
  TopicPartition,
  TopicSpec,
} from '../log.ts'
import { Membership } from '../membership.ts'
import { KafkaAdmin } from './admin.ts'
import type { Cluster } from './cluster/cluster.ts'
import { KafkaGroupProtocol } from './group-protocol.ts'
import { KafkaGroups } from './groups.ts'
import type { Compression } from './options.ts'
import { BatchWriter } from './producer/batch-writer.ts'
import { KafkaProducer } from './producer/kafka-producer.ts'
import { TransactionClient } from './producer/transaction-client.ts'
import { UnsafeProducer } from './producer/unsafe-producer.ts'
import { firstOffsetAtTime } from './reader/first-offset-at-time.ts'
import { KafkaReader } from './reader/kafka-reader.ts'
import type { ChannelSet } from './transport/channel-set.ts'

const TRANSACTION_TIMEOUT_MS = 10_000
/** How long a start waits for a former holder's transaction to be completed. */
const INIT_PATIENCE_MS = 30_000

/** How long closing waits for what is said at last: leaving groups, aborts, commits that are on their way. */
const LAST_WORDS_MS = 1_000

/** What a log is made of. */
export interface KafkaLogParts {
  /** Open. */
  readonly cluster: Cluster
  readonly compression: Compression
  readonly transactionVersion: 1 | 2
  /** -1 for the brokers' default. */
  readonly replicas: number
}

interface Member {
  readonly membership: Membership
  readonly protocol: KafkaGroupProtocol
}

/** One client of a cluster. */
export class KafkaLog implements Log {
  private readonly parts: KafkaLogParts
  private readonly admin: KafkaAdmin
  private readonly groups: KafkaGroups
  private readonly readers = new Set<KafkaReader>()
  private readonly producers = new Set<LogProducer>()
  /** Of producers, also of those that are being made. */
  private readonly channels = new Set<ChannelSet>()
  private readonly members = new Set<Member>()
  private closing: Promise<void> | null = null

  constructor(parts: KafkaLogParts) {
    this.parts = parts
    this.admin = new KafkaAdmin(parts.cluster, parts.replicas)
    this.groups = new KafkaGroups(parts.cluster)
  }

  async createTopics(specs: readonly TopicSpec[]): Promise<void> {
    this.checkOpen()
    return this.admin.createTopics(specs)
  }

  async describeTopics(names: readonly string[]): Promise<ReadonlyMap<string, TopicDescription>> {
    this.checkOpen()
    return this.admin.describeTopics(names)
  }

  async listTopics(): Promise<readonly string[]> {
    this.checkOpen()
    return this.admin.listTopics()
  }

  async deleteTopics(names: readonly string[]): Promise<void> {
    this.checkOpen()
    return this.admin.deleteTopics(names)
  }

  async deleteRecords(before: readonly PartitionOffset[]): Promise<void> {
    this.checkOpen()
    return this.admin.deleteRecords(before)
  }

  async offsets(
    which: 'start' | 'end' | 'stable',
    partitions: readonly TopicPartition[],
  ): Promise<readonly Offset[]> {
    this.checkOpen()
    return this.admin.offsets(which, partitions)
  }

  async offsetAtTime(partition: TopicPartition, timestampMs: number): Promise<Offset> {
    this.checkOpen()
    const from = await this.admin.offsetBeforeTime(partition, timestampMs)
    const reader = this.reader()
    try {
      return await firstOffsetAtTime(reader, partition, from, timestampMs)
    } finally {
      await reader.close()
    }
  }

  async committedOffsets(
    groupId: string,
    partitions: readonly TopicPartition[],
  ): Promise<readonly (Offset | null)[]> {
    this.checkOpen()
    return this.groups.committedOffsets(groupId, partitions)
  }

  async describeGroup(groupId: string): Promise<GroupDescription> {
    this.checkOpen()
    return this.groups.describeGroup(groupId)
  }

  async deleteGroup(groupId: string): Promise<void> {
    this.checkOpen()
    return this.groups.deleteGroup(groupId)
  }

  reader(options: ReaderOptions = {}): LogReader {
    this.checkOpen()
    const reader = new KafkaReader(this.parts.cluster, options, (closed) => this.readers.delete(closed))
    this.readers.add(reader)
    return reader
  }

  async producer(options: ProducerOptions): Promise<LogProducer> {
    this.checkOpen()
    const { cluster, compression, transactionVersion } = this.parts
    const { transactionalId, transactionTimeoutMs: timeoutMs = TRANSACTION_TIMEOUT_MS } = options
    const channels = cluster.newChannels()
    this.channels.add(channels)
    const onClosed = (closed: LogProducer): void => {
      this.producers.delete(closed)
      this.channels.delete(channels)
    }
    const writer = new BatchWriter({ cluster, channels, patienceMs: timeoutMs, transactionalId })
    const shared = { transactionalId, writer, channels, compression, onClosed }
    let producer: LogProducer
    if (options.unsafeWithoutTransactions === true) {
      producer = new UnsafeProducer({ ...shared, cluster })
    } else {
      const patienceMs = timeoutMs
      const shape = { cluster, channels, transactionalId, timeoutMs, patienceMs, transactionVersion }
      const client = new TransactionClient(shape)
      await client.init(INIT_PATIENCE_MS).catch((error: unknown) => {
        channels.close()
        this.channels.delete(channels)
        throw error
      })
      producer = new KafkaProducer({ ...shared, client })
    }
    this.producers.add(producer)
    return producer
  }

  async fenceProducer(transactionalId: string): Promise<void> {
    await (await this.producer({ transactionalId })).close()
  }

  async joinGroup(options: JoinGroupOptions): Promise<GroupMembership> {
    this.checkOpen()
    const { cluster } = this.parts
    const protocol = new KafkaGroupProtocol(cluster, options.topics ?? [])
    const membership = new Membership({ protocol, clock: cluster.clock, options, newMemberId: () => '' })
    const member = { membership, protocol }
    this.members.add(member)
    return {
      requestRejoin: () => membership.requestRejoin(),
      leave: async () => {
        await membership.leave()
        protocol.close()
        this.members.delete(member)
      },
    }
  }

  close(): Promise<void> {
    this.closing ??= this.closeAll()
    return this.closing
  }

  private async closeAll(): Promise<void> {
    const inOrder = Promise.all([
      ...[...this.members].map(({ membership }) => membership.close()),
      ...[...this.producers].map((producer) => producer.close()),
      ...[...this.readers].map((reader) => reader.close()),
    ])
    const inTime = new AbortController()
    await Promise.race([inOrder, sleep(this.parts.cluster.clock, LAST_WORDS_MS, inTime.signal)])
    inTime.abort()
    // Whatever is still tried ends with its connections; brokers end sessions and transactions by their time-outs.
    for (const { protocol } of this.members) protocol.close()
    for (const channels of this.channels) channels.close()
    this.groups.close()
    this.parts.cluster.close()
    await inOrder
  }

  private checkOpen(): void {
    if (this.closing !== null) throw new FatalError('LOG_CLOSED', 'The log is closed.')
  }
}
