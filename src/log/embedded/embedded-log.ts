/** The log port on a connection to an embedded broker. */
import { sleep, type Clock, type Random } from '../../clock.ts'
import { FatalError, RetriableError } from '../../errors.ts'
import type {
  GroupDescription,
  GroupMembership,
  JoinGroupOptions,
  Log,
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
import type { BrokerConnection, ProducerIdentity } from './broker-connection.ts'
import { EmbeddedProducer } from './embedded-producer.ts'
import { EmbeddedReader } from './embedded-reader.ts'
import { Lifeline } from './lifeline.ts'

/** What a client of an embedded broker is given. */
export interface EmbeddedLogOptions {
  readonly connection: BrokerConnection
  readonly clock: Clock
  readonly random: Random
  /** Whether readers compare checksums: where batches come from a disk. Default true. */
  readonly verifyChecksums?: boolean
  /** Called once, when the log is closed; `close` waits for it. */
  readonly onClose?: () => Promise<void>
}

const BACKOFF_MS = 20
/** How long is waited for transactions whose outcome is not visible. */
const PATIENCE_MS = 30_000

/** One client of an embedded broker. */
export class EmbeddedLog implements Log {
  private readonly life: Lifeline
  private readonly random: Random
  private readonly verifyChecksums: boolean
  private readonly onClose: () => Promise<void>
  private readonly readers = new Set<EmbeddedReader>()
  private readonly producers = new Set<EmbeddedProducer>()
  private readonly memberships = new Set<Membership>()
  private closing: Promise<void> | null = null

  constructor({ connection, clock, random, verifyChecksums, onClose }: EmbeddedLogOptions) {
    this.life = new Lifeline(clock, connection)
    this.random = random
    this.verifyChecksums = verifyChecksums ?? true
    this.onClose = onClose ?? (() => Promise.resolve())
  }

  async createTopics(specs: readonly TopicSpec[]): Promise<void> {
    return this.connection.createTopics(specs)
  }

  async describeTopics(names: readonly string[]): Promise<ReadonlyMap<string, TopicDescription>> {
    return this.connection.describeTopics(names)
  }

  async listTopics(): Promise<readonly string[]> {
    return this.connection.listTopics()
  }

  async deleteTopics(names: readonly string[]): Promise<void> {
    return this.connection.deleteTopics(names)
  }

  async deleteRecords(before: readonly PartitionOffset[]): Promise<void> {
    return this.connection.deleteRecords(before)
  }

  async offsets(
    which: 'start' | 'end' | 'stable',
    partitions: readonly TopicPartition[],
  ): Promise<readonly Offset[]> {
    return this.connection.offsets(which, partitions)
  }

  async offsetAtTime(partition: TopicPartition, timestampMs: number): Promise<Offset> {
    return this.connection.offsetAtTime(partition, timestampMs)
  }

  async committedOffsets(
    groupId: string,
    partitions: readonly TopicPartition[],
  ): Promise<readonly (Offset | null)[]> {
    return this.patiently(() => this.connection.committedOffsets(groupId, partitions), 'OFFSETS_UNSTABLE')
  }

  async describeGroup(groupId: string): Promise<GroupDescription> {
    return this.connection.describeGroup(groupId)
  }

  async deleteGroup(groupId: string): Promise<void> {
    return this.connection.deleteGroup(groupId)
  }

  reader(options: ReaderOptions = {}): LogReader {
    this.checkOpen()
    const closed = (reader: EmbeddedReader): boolean => this.readers.delete(reader)
    const reader = new EmbeddedReader(this.life, options, this.verifyChecksums, closed)
    this.readers.add(reader)
    return reader
  }

  async producer(options: ProducerOptions): Promise<EmbeddedProducer> {
    const identity = await this.initProducer(options)
    const closed = (producer: EmbeddedProducer): boolean => this.producers.delete(producer)
    const producer = new EmbeddedProducer(this.life, options, identity, closed)
    this.producers.add(producer)
    return producer
  }

  async fenceProducer(transactionalId: string): Promise<void> {
    await this.initProducer({ transactionalId })
  }

  joinGroup(options: JoinGroupOptions): Promise<GroupMembership> {
    return this.life.run(async () => {
      this.checkOpen()
      const membership = new Membership({
        protocol: this.life.connection,
        clock: this.life.clock,
        options: this.mortal(options),
        newMemberId: () => `${options.groupInstanceId ?? 'member'}-${this.random.uuid()}`,
      })
      this.memberships.add(membership)
      return {
        requestRejoin: () => membership.requestRejoin(),
        leave: () =>
          this.life.run(async () => {
            await membership.leave()
            this.memberships.delete(membership)
          }),
      }
    })
  }

  close(): Promise<void> {
    this.closing ??= this.life.run(() => this.closeAll())
    return this.closing
  }

  /**
   * For simulations: as if the client's process had died. Every pending and later call never settles, no timer
   * remains, nothing more is sent.
   */
  kill(): void {
    this.life.kill()
  }

  private get connection(): BrokerConnection {
    this.checkOpen()
    return this.life.connection
  }

  private checkOpen(): void {
    if (this.closing !== null) throw new FatalError('LOG_CLOSED', 'The log is closed.')
  }

  /** The same, but what is called back ends with this client's life. */
  private mortal(options: JoinGroupOptions): JoinGroupOptions {
    const { listener } = options
    const { life } = this
    return {
      ...options,
      metadata: () => options.metadata(),
      assign: (members) => life.run(() => options.assign(members)),
      listener: {
        onAssigned: (assignment, member) => life.run(() => listener.onAssigned(assignment, member)),
        onRevoked: () => life.run(() => listener.onRevoked()),
        onLost: (reason) => life.run(() => listener.onLost(reason)),
        onFailed: (error) => (life.killed ? undefined : listener.onFailed(error)),
      },
    }
  }

  private async closeAll(): Promise<void> {
    await Promise.all([...this.memberships].map((membership) => membership.close()))
    await Promise.all([...this.producers].map((producer) => producer.close()))
    await Promise.all([...this.readers].map((reader) => reader.close()))
    await this.onClose()
  }

  private initProducer(options: ProducerOptions): Promise<ProducerIdentity> {
    const request = {
      transactionalId: options.transactionalId,
      transactionTimeoutMs: options.transactionTimeoutMs ?? 10_000,
      unsafeWithoutTransactions: options.unsafeWithoutTransactions ?? false,
    }
    // Safe to repeat: each time fences the time before.
    return this.patiently(() => this.connection.initProducer(request))
  }

  /** Calls again while the answer is retriable, or only while it has `code`; at most for the patience's time. */
  private async patiently<T>(call: () => Promise<T>, code?: string): Promise<T> {
    const { clock } = this.life
    const untilMs = clock.monotonic() + PATIENCE_MS
    for (;;) {
      try {
        return await call()
      } catch (error) {
        const again = error instanceof RetriableError && (code === undefined || error.code === code)
        if (!again || clock.monotonic() >= untilMs) throw error
        await sleep(clock, BACKOFF_MS)
      }
    }
  }
}
