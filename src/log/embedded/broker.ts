/**
 * The embedded log's broker: Kafka's semantics in one object, on an engine on disk or in memory. In `embedded/` live
 * the broker, its engines, its socket, and the client that makes a `Log` of a connection to it. What never does:
 * record contents (but for compaction, which looks at keys), event time, state stores.
 */
import { systemClock, systemRandom, type Clock, type Random } from '../../clock.ts'
import { FatalError } from '../../errors.ts'
import type {
  GroupDescription,
  Offset,
  PartitionOffset,
  TopicDescription,
  TopicPartition,
  TopicSpec,
} from '../log.ts'
import type { JoinAnswer, JoinRequest, MemberReference, SyncRequest } from '../membership.ts'
import type {
  AddOffsetsRequest,
  BrokerConnection,
  EndTransactionRequest,
  FetchAnswer,
  FetchRequest,
  InitProducerRequest,
  ProduceRequest,
  ProducerIdentity,
} from './broker-connection.ts'
import { Cleaner, type CleaningOptions } from './cleaner.ts'
import type { Engine, EngineOp } from './engine.ts'
import { FetchService } from './fetch-service.ts'
import { GroupCoordinator } from './group-coordinator.ts'
import { MemoryEngine } from './memory-engine.ts'
import type { PartitionLog } from './partition-log.ts'
import { FORMAT_VERSION, keyOf } from './storage-layout.ts'
import { put, read } from './stored-entries.ts'
import { offsetAtTime } from './time-lookup.ts'
import { TopicRegistry } from './topic-registry.ts'
import { TransactionCoordinator } from './transaction-coordinator.ts'
import { WriteQueue } from './write-queue.ts'

/** What a broker is given. */
export interface BrokerOptions {
  readonly clock: Clock
  readonly random: Random
  /**
   * For simulations: a decided commit or abort is answered at once, but becomes visible later, in each partition and
   * group after a delay of its own drawn from here, as in Kafka.
   */
  readonly markerDelayMs?: () => number
  /** When and how compaction and retention work. */
  readonly cleaning?: CleaningOptions
}

/** One broker; its methods keep the promises of broker-connection.ts. */
export class EmbeddedBroker implements BrokerConnection {
  private readonly engine: Engine
  private readonly queue: WriteQueue
  private readonly topics: TopicRegistry
  private readonly groups: GroupCoordinator
  private readonly transactions: TransactionCoordinator
  private readonly fetches: FetchService
  private readonly cleaner: Cleaner
  private closed = false

  /** A broker on an engine that is new; `EmbeddedBroker.open` is for one that may hold a log. */
  constructor(engine: Engine, { clock, random, markerDelayMs, cleaning }: BrokerOptions) {
    this.engine = engine
    this.queue = new WriteQueue(engine)
    this.topics = new TopicRegistry(engine, this.queue, random)
    this.groups = new GroupCoordinator(engine, this.queue, clock)
    this.fetches = new FetchService(engine, clock, this.topics)
    this.cleaner = new Cleaner({ engine, queue: this.queue, clock, topics: this.topics }, cleaning)
    this.transactions = new TransactionCoordinator({
      engine,
      queue: this.queue,
      clock,
      topics: this.topics,
      groups: this.groups,
      markerDelayMs: markerDelayMs ?? null,
      onCommitted: (partition, bytes) => this.cleaner.committed(partition, bytes),
    })
  }

  /** Goes on with the log that the engine holds. `FatalError` `LOG_FORMAT_UNSUPPORTED` when its format is newer. */
  static async open(engine: Engine, options: BrokerOptions): Promise<EmbeddedBroker> {
    const broker = new EmbeddedBroker(engine, options)
    await broker.load()
    return broker
  }

  /** A connection for one client. */
  connect(): BrokerConnection {
    return this
  }

  async createTopics(specs: readonly TopicSpec[]): Promise<void> {
    this.checkOpen()
    await this.topics.create(specs)
  }

  async describeTopics(names: readonly string[]): Promise<ReadonlyMap<string, TopicDescription>> {
    this.checkOpen()
    return this.topics.describe(names)
  }

  async listTopics(): Promise<readonly string[]> {
    this.checkOpen()
    return this.topics.names()
  }

  async deleteTopics(names: readonly string[]): Promise<void> {
    this.checkOpen()
    const deleted = this.topics.delete(names)
    await this.queue.write(this.groups.forgetTopics(new Set(names)), { sync: false })
    await deleted
    this.cleaner.removable(true)
  }

  async deleteRecords(before: readonly PartitionOffset[]): Promise<void> {
    this.checkOpen()
    const partitions = before.map((at) => this.topics.get(at))
    const ops: EngineOp[] = []
    before.forEach((at, i) => {
      const partition = partitions[i]!
      if (Number(at.offset) <= partition.end) return
      const where = `${at.topic}/${at.partition}`
      throw new FatalError('OFFSET_OUT_OF_RANGE', `Offset ${at.offset} lies behind the end of ${where}.`)
    })
    before.forEach((at, i) => {
      const partition = partitions[i]!
      if (partition.raiseStart(Number(at.offset))) ops.push(storedPartition(partition))
    })
    if (ops.length === 0) return
    await this.queue.write(ops, { sync: false })
    this.cleaner.removable()
  }

  async offsets(
    which: 'start' | 'end' | 'stable',
    partitions: readonly TopicPartition[],
  ): Promise<readonly Offset[]> {
    this.checkOpen()
    return partitions.map((at) => {
      const { start, end, lastStable } = this.topics.get(at)
      return BigInt({ start, end, stable: lastStable }[which])
    })
  }

  async offsetAtTime(partition: TopicPartition, timestampMs: number): Promise<Offset> {
    this.checkOpen()
    return BigInt(await offsetAtTime(this.engine, this.topics.get(partition), timestampMs))
  }

  async committedOffsets(
    groupId: string,
    partitions: readonly TopicPartition[],
  ): Promise<readonly (Offset | null)[]> {
    this.checkOpen()
    return this.groups.committed(groupId, partitions)
  }

  async describeGroup(groupId: string): Promise<GroupDescription> {
    this.checkOpen()
    return this.groups.describe(groupId)
  }

  async deleteGroup(groupId: string): Promise<void> {
    this.checkOpen()
    await this.groups.delete(groupId)
  }

  async fetch(request: FetchRequest): Promise<FetchAnswer> {
    this.checkOpen()
    const answer = await this.fetches.fetch(request)
    this.checkOpen()
    return answer
  }

  async initProducer(request: InitProducerRequest): Promise<ProducerIdentity> {
    this.checkOpen()
    return this.transactions.init(request)
  }

  async produce(request: ProduceRequest): Promise<readonly Offset[]> {
    this.checkOpen()
    return this.transactions.produce(request)
  }

  async addOffsets(request: AddOffsetsRequest): Promise<void> {
    this.checkOpen()
    await this.transactions.addOffsets(request)
  }

  async endTransaction(request: EndTransactionRequest): Promise<void> {
    this.checkOpen()
    await this.transactions.endTransaction(request)
  }

  async join(request: JoinRequest): Promise<JoinAnswer> {
    this.checkOpen()
    return this.groups.join(request)
  }

  async sync(request: SyncRequest): Promise<Uint8Array> {
    this.checkOpen()
    return this.groups.sync(request)
  }

  async heartbeat(reference: MemberReference): Promise<'stable' | 'rebalancing'> {
    this.checkOpen()
    return this.groups.heartbeat(reference)
  }

  async leave(reference: MemberReference): Promise<void> {
    this.checkOpen()
    this.groups.leave(reference)
  }

  /** Compacts and deletes all that can be, at once and whatever the thresholds say. */
  async clean(): Promise<void> {
    this.checkOpen()
    await this.transactions.expireIds()
    await this.cleaner.clean()
  }

  /** Writes what is not written and lets go of the engine. Open transactions are lost, as after a crash. Idempotent. */
  async close(): Promise<void> {
    if (this.closed) return
    this.closed = true
    this.transactions.stop()
    this.groups.stop()
    this.fetches.stop()
    await this.cleaner.stop()
    // Exact ends, so that the log goes on without a gap.
    const ends = this.topics.all().map((partition) => storedPartition(partition, partition.end))
    if (this.queue.failure === null) await this.queue.write(ends, { sync: true }).catch(() => undefined)
    await this.queue.idle()
    await this.engine.close()
  }

  private async load(): Promise<void> {
    const key = keyOf.meta('format')
    const value = await this.engine.get(key)
    const format = value === undefined ? null : read.meta({ key, value })
    if (format === null) {
      await this.queue.write([put.meta('format', FORMAT_VERSION)], { sync: true })
    } else if (format > FORMAT_VERSION) {
      throw new FatalError(
        'LOG_FORMAT_UNSUPPORTED',
        `The log has format ${format}; this version of millrace reads up to ${FORMAT_VERSION}.`,
      )
    }
    await this.topics.load()
    await this.groups.load()
    await this.transactions.load()
    await this.transactions.expireIds()
    for (const partition of this.topics.all()) partition.dirtyBytes = null
    this.cleaner.removable(true)
  }

  private checkOpen(): void {
    if (this.closed) throw new FatalError('LOG_CLOSED', 'The log is closed.')
  }
}

/** A broker in memory. Given the same clock and chance, the same calls give the same answers in the same order. */
export function createInMemoryBroker(options: Partial<BrokerOptions> = {}): EmbeddedBroker {
  return new EmbeddedBroker(new MemoryEngine(), { clock: systemClock, random: systemRandom, ...options })
}

function storedPartition(partition: PartitionLog, endBound?: number): EngineOp {
  return put.partition(partition.number, partition.entry(endBound))
}
