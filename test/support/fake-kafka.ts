/** Brokers for unit tests: they answer with objects, by the name of the request, and no byte is sent. */
import { Cluster } from '../../src/log/kafka/cluster/cluster.ts'
import type { RawConnection, RawRequest, Transport } from '../../src/log/kafka/transport/kafkajs.ts'
import type { MetadataAnswer } from '../../src/log/kafka/wire/cluster-calls.ts'
import { SimulatedClock } from '../../src/testing/simulated-clock.ts'

/** What a broker answers; throws for a connection that breaks; a promise may never settle. */
export type FakeAnswer = (request: RawRequest, broker: string) => object | Promise<object>

/** A connection as a broker sees it. */
export interface FakeConnection {
  readonly broker: string
  usable: boolean
  destroyedWith: Error | null
}

const EVERY_VERSION = new Proxy({}, { get: () => ({ minVersion: 0, maxVersion: 99 }) })

/** Any number of brokers, each under its address. Requests are noted as `broker name version`. */
export class FakeKafka {
  readonly clock = new SimulatedClock()
  readonly requests: string[] = []
  readonly connections: FakeConnection[] = []
  readonly answers = new Map<string, FakeAnswer>()
  versions: RawConnection['versions'] = EVERY_VERSION
  /** Called before a connection is opened; throws for a broker that cannot be reached. */
  opening: (broker: string) => void | Promise<void> = () => undefined

  readonly transport: Transport = {
    open: async (host, port) => {
      const broker = `${host}:${port}`
      await this.opening(broker)
      return this.connect(broker)
    },
  }

  /** Requests time out after 1000 ms. */
  readonly parts = {
    transport: this.transport,
    clock: this.clock,
    requestTimeoutMs: 1_000,
    connectTimeoutMs: 500,
  }

  on(apiName: string, answer: FakeAnswer): this {
    this.answers.set(apiName, answer)
    return this
  }

  /** One topic `t`, its partitions led by the nodes given; node 1 is at `one:1`, node 2 at `two:2`. */
  withTopic(leaders: readonly number[], topicId = 'a'.repeat(32)): this {
    const partitions = leaders.map((leader, partition) => ({ code: 0, partition, leader, replicas: 1 }))
    return this.on('Metadata', () =>
      this.metadata([{ code: 0, name: 't', topicId, internal: false, partitions, operations: 0 }]),
    )
  }

  metadata(topics: MetadataAnswer['topics']): MetadataAnswer {
    const nodes = [
      { nodeId: 1, host: 'one', port: 1 },
      { nodeId: 2, host: 'two', port: 2 },
    ]
    return { throttleMs: 0, nodes, controllerId: 1, topics }
  }

  /** A client of the brokers `one:1` and `two:2`. */
  cluster(): Cluster {
    const addresses = [
      { host: 'one', port: 1 },
      { host: 'two', port: 2 },
    ]
    return new Cluster(this.parts, addresses, 'test')
  }

  /** Lets simulated time pass until the work is done. */
  async run<T>(work: Promise<T>): Promise<T> {
    let settled = false
    work.then(
      () => (settled = true),
      () => (settled = true),
    )
    await this.clock.runUntilIdle()
    for (let steps = 0; !settled && steps < 100_000; steps += 1) {
      await this.clock.advance(Math.max(1, this.clock.nextTimerInMs ?? 1))
    }
    return work
  }

  private connect(broker: string): RawConnection {
    const state: FakeConnection = { broker, usable: true, destroyedWith: null }
    this.connections.push(state)
    const { versions } = this
    let fail: (reason: Error) => void = () => undefined
    const destroyed = new Promise<never>((_, reject) => (fail = reject))
    destroyed.catch(() => undefined)
    return {
      versions,
      get usable() {
        return state.usable
      },
      send: <T extends { readonly throttleMs: number }>(request: RawRequest): Promise<T> => {
        this.requests.push(`${broker} ${request.apiName} ${request.apiVersion}`)
        const answer = this.answers.get(request.apiName)
        if (answer === undefined) throw new Error(`the test answers no ${request.apiName}`)
        const told = (async () => ({ throttleMs: 0, ...(await answer(request, broker)) }))()
        return Promise.race([told as unknown as Promise<T>, destroyed])
      },
      destroy: (reason) => {
        state.usable = false
        state.destroyedWith ??= reason
        fail(reason)
      },
    }
  }
}

/** The error of a connection that broke. */
export function brokenConnection(): Error {
  return Object.assign(new Error('Closed connection'), { name: 'KafkaJSConnectionClosedError' })
}
