/** The contract's harness for a Kafka cluster, in real time. */
import type { Socket } from 'node:net'
import { sleep, systemClock, systemRandom } from '../../src/clock.ts'
import { openKafkaLog, type KafkaLogOptions, type OpenSocket } from '../../src/log/kafka/index.ts'
import { openSystemSocket } from '../../src/log/kafka/transport/kafkajs.ts'
import type { Log } from '../../src/log/log.ts'
import type { LogHarness } from '../contract/log/harness.ts'

/** A network that can be cut: from then on nothing gets through, in either direction. */
export class CuttableNetwork {
  private readonly sockets = new Set<Socket>()
  private cut = false

  readonly openSocket: OpenSocket = (target) => {
    const socket = openSystemSocket(this.cut ? { ...target, port: 1, host: '127.0.0.1' } : target)
    this.sockets.add(socket)
    socket.once('close', () => this.sockets.delete(socket))
    return socket
  }

  /** As the death of the process looks from outside. */
  sever(): void {
    this.cut = true
    for (const socket of this.sockets) socket.resetAndDestroy()
  }
}

/** What the clients of a harness are opened with. */
export type KafkaHarnessOptions = Pick<KafkaLogOptions, 'brokers' | 'compression' | 'transactionVersion'>

/** Clients of one cluster. Names carry a random part, so that runs do not meet in a cluster that is kept. */
export function kafkaHarness(options: KafkaHarnessOptions): LogHarness {
  const run = systemRandom.uuid().slice(0, 8)
  const clients = new Map<Log, CuttableNetwork>()
  let names = 0
  return {
    capabilities: {
      // Brokers compact and delete when they see fit; nobody can ask for it.
      cleaning: false,
      unsafeProducers: true,
      sessionTimeoutMs: 1_500,
      transactionTimeoutMs: 1_500,
      // 30 seconds of waiting are left to the unit test.
      unstableOffsetsMs: null,
    },
    unique: (name) => `${name}-${run}-${(names += 1)}`,
    async open() {
      const network = new CuttableNetwork()
      const { openSocket } = network
      const log = await openKafkaLog({ ...options, openSocket, clientId: 'contract' })
      clients.set(log, network)
      return log
    },
    kill: (log) => clients.get(log)?.sever(),
    nowMs: () => systemClock.now(),
    elapse: (ms) => sleep(systemClock, ms),
    run: (work) => work,
    clean: () => Promise.resolve(),
    async close() {
      await Promise.all([...clients.keys()].map((log) => log.close()))
    },
  }
}
