/** A reader's connections to one leader. */
import type { Cluster } from '../cluster/cluster.ts'
import type { Address, Channel } from '../transport/channel.ts'
import { KafkaCode, kafkaError } from '../wire/error-code.ts'
import { fetch, type FetchedPartition, type FetchPosition } from '../wire/record-calls.ts'

/**
 * Two channels: while a broker holds a Fetch of quiet partitions until something arrives, it answers nothing else on
 * that connection, and a partition that has data must not wait for it.
 */
const CHANNELS = 2

/** At most two fetches at a time. */
export class LeaderLine {
  private readonly cluster: Cluster
  private readonly leader: Address
  private readonly all: Channel[] = []
  private readonly idle: Channel[] = []

  constructor(cluster: Cluster, leader: Address) {
    this.cluster = cluster
    this.leader = leader
  }

  /** Whether `fetch` may be called. */
  get free(): boolean {
    return this.idle.length > 0 || this.all.length < CHANNELS
  }

  /** `RetriableError` when the leader cannot be reached or asks to try again. */
  async fetch(request: {
    readonly positions: readonly FetchPosition[]
    readonly maxWaitMs: number
  }): Promise<readonly FetchedPartition[]> {
    const channel = this.idle.pop() ?? this.newChannel()
    try {
      const timeoutMs = request.maxWaitMs + this.cluster.requestTimeoutMs
      const { code, partitions } = await channel.call(fetch, request, timeoutMs)
      if (code !== KafkaCode.NONE) throw kafkaError(code, 'fetching')
      return partitions
    } finally {
      this.idle.push(channel)
    }
  }

  close(): void {
    for (const channel of this.all) channel.close()
  }

  private newChannel(): Channel {
    const channel = this.cluster.newChannel(this.leader)
    this.all.push(channel)
    return channel
  }
}
