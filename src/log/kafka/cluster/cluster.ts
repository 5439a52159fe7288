/** What a client knows of the cluster: its brokers, who leads and who coordinates what. */
import { sleep, type Clock } from '../../../clock.ts'
import { type MillraceError, FatalError, RetriableError } from '../../../errors.ts'
import { addressText, Channel, type Address, type ChannelParts } from '../transport/channel.ts'
import { ChannelSet } from '../transport/channel-set.ts'
import type { Answer, ApiCall } from '../wire/api-call.ts'
import {
  apiVersions,
  findCoordinator,
  metadata,
  type CoordinatorType,
  type MetadataAnswer,
  type TopicMetadata,
} from '../wire/cluster-calls.ts'
import { isDenied, KafkaCode, kafkaError } from '../wire/error-code.ts'
import { patiently } from '../retry.ts'

/** A topic as it was last told. */
export interface TopicPlace {
  readonly topicId: string
  /** Node id of each partition's leader, -1 for none at the moment. */
  readonly leaders: readonly number[]
}

/** A topic that was made a moment ago may be unknown to some brokers: absent is what was not found this often. */
const LOOKS_FOR_A_TOPIC = 3
const LOOK_AGAIN_MS = 100

/** The cluster behind some addresses. Its own requests go over channels of its own. */
export class Cluster {
  readonly clock: Clock
  private readonly parts: ChannelParts
  private readonly bootstrap: readonly Address[]
  private readonly clientId: string
  private readonly control: ChannelSet
  private readonly nodes = new Map<number, Address>()
  private readonly places = new Map<string, TopicPlace>()
  private readonly coordinators = new Map<string, Address>()
  private controllerId = -1
  /** Where the last answer came from: asked first. */
  private preferred: Address | null = null

  constructor(parts: ChannelParts, bootstrap: readonly Address[], clientId: string) {
    this.clock = parts.clock
    this.parts = parts
    this.bootstrap = bootstrap
    this.clientId = clientId
    this.control = new ChannelSet(parts)
  }

  /** How long one request may take. */
  get requestTimeoutMs(): number {
    return this.parts.requestTimeoutMs
  }

  /** How many brokers the cluster was last told to have. */
  get brokerCount(): number {
    return this.nodes.size
  }

  /** Finds the brokers. `FatalError` `LOG_UNREACHABLE` when none answers within the time. */
  async open(withinMs: number): Promise<void> {
    try {
      await patiently({ clock: this.clock, withinMs }, () => this.metadata([]))
    } catch (error) {
      if (!(error instanceof RetriableError)) throw error
      const names = this.bootstrap.map(addressText).join(', ')
      const text =
        `No Kafka broker could be reached at ${names} within ${withinMs / 1_000} s. ${error.message} ` +
        'Check the address, and that a broker runs there.'
      throw new FatalError(error.code, text, { cause: error })
    }
  }

  /** Drops the cluster's own connections. */
  close(): void {
    this.control.close()
  }

  /** Channels for one more purpose; whoever makes them closes them. */
  newChannels(): ChannelSet {
    return new ChannelSet(this.parts)
  }

  /** One more channel to a broker, of its own. */
  newChannel(address: Address): Channel {
    return new Channel(this.parts, address)
  }

  /** The answer of whichever broker gives one. `RetriableError` when none can be reached. */
  async askAny<Request, Response extends Answer>(
    api: ApiCall<Request, Response>,
    request: Request,
  ): Promise<Response> {
    let failure: MillraceError | null = null
    for (const address of this.addresses()) {
      try {
        const answer = await this.control.to(address).call(api, request)
        this.preferred = address
        return answer
      } catch (error) {
        if (!(error instanceof RetriableError)) throw error
        failure ??= error
      }
    }
    throw failure ?? new RetriableError('LOG_UNREACHABLE', 'No broker is known.')
  }

  /** The answer of the controller, where brokers do not forward to it by themselves (without KRaft). */
  async askController<Request, Response extends Answer>(
    api: ApiCall<Request, Response>,
    request: Request,
  ): Promise<Response> {
    const controller = this.nodes.get(this.controllerId)
    return controller === undefined
      ? this.askAny(api, request)
      : this.control.to(controller).call(api, request)
  }

  /** Asks the broker over the cluster's own channels. */
  async ask<Request, Response extends Answer>(
    address: Address,
    api: ApiCall<Request, Response>,
    request: Request,
  ): Promise<Response> {
    return this.control.to(address).call(api, request)
  }

  /** Fresh metadata of some topics, or of all (`null`); with what this client may do where that is asked. */
  async metadata(topics: readonly string[] | null, withOperations = false): Promise<MetadataAnswer> {
    const answer = await this.askAny(metadata, { topics, withOperations })
    this.learn(answer)
    return answer
  }

  /** The same from each broker that can be reached. */
  async metadataOfEach(topics: readonly string[]): Promise<MetadataAnswer[]> {
    const answers: MetadataAnswer[] = []
    for (const address of this.nodes.values()) {
      try {
        answers.push(await this.control.to(address).call(metadata, { topics }))
      } catch (error) {
        if (!(error instanceof RetriableError)) throw error
      }
    }
    return answers
  }

  /** Where a topic was last told to be. */
  place(topic: string): TopicPlace | undefined {
    return this.places.get(topic)
  }

  /** The next look-up of the topic asks a broker. */
  forgetPlace(topic: string): void {
    this.places.delete(topic)
  }

  /**
   * Where topics are, asking only for what is not known. An error stands for a topic that does not exist
   * (`TOPIC_UNKNOWN`) or must not be seen (`ACCESS_DENIED`).
   */
  async locate(topics: readonly string[]): Promise<ReadonlyMap<string, TopicPlace | FatalError>> {
    const found = new Map<string, TopicPlace | FatalError>()
    for (let look = 1; ; look += 1) {
      const missing: string[] = []
      for (const topic of topics) {
        const place = this.places.get(topic)
        if (place === undefined) missing.push(topic)
        else found.set(topic, place)
      }
      if (missing.length === 0) return found
      if (look > 1) await sleep(this.clock, LOOK_AGAIN_MS)
      const answer = await this.metadata(missing)
      let absent = 0
      for (const topic of answer.topics) {
        if (this.places.has(topic.name)) continue
        const error = placeError(topic)
        found.set(topic.name, error)
        if (error.code === 'TOPIC_UNKNOWN') absent += 1
      }
      if (absent === 0 || look === LOOKS_FOR_A_TOPIC) {
        for (const topic of missing) if (this.places.has(topic)) found.set(topic, this.places.get(topic)!)
        return found
      }
    }
  }

  /** The address of a broker; undefined where it is not known. */
  node(nodeId: number): Address | undefined {
    return this.nodes.get(nodeId)
  }

  /** The coordinator of a group or transactional id. */
  async coordinator(type: CoordinatorType, id: string): Promise<Address> {
    const key = `${type}/${id}`
    const known = this.coordinators.get(key)
    if (known !== undefined) return known
    const { code, message, nodeId, host, port } = await this.askAny(findCoordinator, { type, id })
    if (code !== KafkaCode.NONE) throw kafkaError(code, `finding the coordinator of ${type} ${id}`, message)
    const address = { host, port }
    this.nodes.set(nodeId, address)
    this.coordinators.set(key, address)
    return address
  }

  /** The next `coordinator` asks a broker. */
  forgetCoordinator(type: CoordinatorType, id: string): void {
    this.coordinators.delete(`${type}/${id}`)
  }

  /** The level of the finalised feature `transaction.version`: 2 where Transactions V2 may be used. */
  async transactionVersion(): Promise<number> {
    const { features } = await this.askAny(apiVersions, { clientName: this.clientId })
    return features.get('transaction.version') ?? 0
  }

  private learn({ nodes, controllerId, topics }: MetadataAnswer): void {
    if (nodes.length > 0) this.nodes.clear()
    for (const { nodeId, host, port } of nodes) this.nodes.set(nodeId, { host, port })
    this.controllerId = controllerId
    for (const topic of topics) {
      if (topic.code !== KafkaCode.NONE) this.places.delete(topic.name)
      else this.places.set(topic.name, placeOf(topic))
    }
  }

  /** The one that answered last, all known ones, and what the client was told at first. */
  private addresses(): Address[] {
    const known = [
      ...(this.preferred === null ? [] : [this.preferred]),
      ...this.nodes.values(),
      ...this.bootstrap,
    ]
    return [...new Map(known.map((address) => [addressText(address), address])).values()]
  }
}

function placeOf({ topicId, partitions }: TopicMetadata): TopicPlace {
  const leaders: number[] = []
  for (const { partition, leader } of partitions) leaders[partition] = leader
  return { topicId, leaders }
}

function placeError({ name, code }: TopicMetadata): FatalError {
  if (isDenied(code)) {
    const error = kafkaError(code, `topic ${name}`)
    return new FatalError(error.code, error.message)
  }
  return new FatalError('TOPIC_UNKNOWN', `There is no topic ${name}.`)
}
