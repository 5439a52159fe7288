/** The contract's harness for the embedded log, on a simulated clock. */
import { systemClock } from '../../src/clock.ts'
import {
  createInMemoryBroker,
  EmbeddedBroker,
  EmbeddedLog,
  type BrokerConnection,
} from '../../src/log/embedded/index.ts'
import { openLevelEngine } from '../../src/log/embedded/level-engine.ts'
import { connectBroker, type SocketConnection } from '../../src/log/embedded/socket-connection.ts'
import { serveBroker } from '../../src/log/embedded/socket-server.ts'
import type { Log } from '../../src/log/log.ts'
import { SeededRandom } from '../../src/testing/seeded-random.ts'
import { SimulatedClock } from '../../src/testing/simulated-clock.ts'
import type { LogHarness } from '../contract/log/harness.ts'
import { countingEngine } from './counting-engine.ts'

/** What an embedded harness is made of. */
export interface EmbeddedParts {
  readonly clock: SimulatedClock
  readonly random: SeededRandom
  /** A connection as a new client would have it. */
  connect(): Promise<BrokerConnection>
  clean(): Promise<void>
  /** Resolves when no I/O is under way, however long that takes; without I/O at once. */
  settle(): Promise<void>
  close(): Promise<void>
}

/** No test needs more simulated time than this. */
const PATIENCE_MS = 120_000
const STEP_MS = 10

/** Simulated time passes in small steps, and only while all I/O is done: nobody times out for a slow disk. */
export function embeddedHarness(parts: EmbeddedParts): LogHarness {
  const { clock, random } = parts
  const logs: EmbeddedLog[] = []
  let names = 0

  const settle = async (): Promise<void> => {
    await clock.runUntilIdle()
    await parts.settle()
    await clock.runUntilIdle()
  }
  const elapse = async (ms: number): Promise<void> => {
    await settle()
    for (let leftMs = ms; leftMs > 0;) {
      const stepMs = Math.min(leftMs, Math.max(1, Math.min(clock.nextTimerInMs ?? leftMs, 1000)))
      await clock.advance(stepMs)
      await settle()
      leftMs -= stepMs
    }
  }
  const run = async <T>(work: Promise<T>): Promise<T> => {
    let settled = false
    work.then(
      () => (settled = true),
      () => (settled = true),
    )
    for (let passedMs = 0; !settled && passedMs < PATIENCE_MS; passedMs += STEP_MS) {
      await settle()
      if (!settled) await elapse(STEP_MS)
    }
    if (!settled) throw new Error(`still waiting after ${PATIENCE_MS} ms of simulated time`)
    return work
  }

  return {
    capabilities: {
      cleaning: true,
      unsafeProducers: true,
      sessionTimeoutMs: 3_000,
      transactionTimeoutMs: 2_000,
      unstableOffsetsMs: 30_000,
    },
    unique: (name) => `${name}-${(names += 1)}`,
    async open(): Promise<Log> {
      const log = new EmbeddedLog({ connection: await parts.connect(), clock, random })
      logs.push(log)
      return log
    },
    kill: (log) => (log as EmbeddedLog).kill(),
    nowMs: () => clock.now(),
    elapse,
    run,
    clean: () => run(parts.clean()),
    async close() {
      for (const log of logs) log.kill()
      await parts.close()
    },
  }
}

/** A broker in memory, all clients in its process. */
export function inMemoryHarness(markerDelay = false): LogHarness {
  const clock = new SimulatedClock()
  const random = new SeededRandom(1)
  const delays = new SeededRandom(2)
  const broker = createInMemoryBroker({
    clock,
    random,
    ...(markerDelay ? { markerDelayMs: () => delays.int(30) } : {}),
  })
  return embeddedHarness({
    clock,
    random,
    connect: () => Promise.resolve(broker.connect()),
    clean: () => broker.clean(),
    settle: () => systemClock.yieldNow(),
    close: () => broker.close(),
  })
}

/** A broker on LevelDB in `directory`, all clients in its process. */
export async function levelHarness(directory: string): Promise<LogHarness> {
  const clock = new SimulatedClock()
  const random = new SeededRandom(1)
  const engine = countingEngine(await openLevelEngine(directory))
  const broker = await EmbeddedBroker.open(engine, { clock, random })
  return embeddedHarness({
    clock,
    random,
    connect: () => Promise.resolve(broker.connect()),
    clean: () => broker.clean(),
    settle: () => engine.idle(),
    close: () => broker.close(),
  })
}

/** The same, each client connected through a socket as if it were another process. */
export async function socketHarness(directory: string, address: string): Promise<LogHarness> {
  const clock = new SimulatedClock()
  const random = new SeededRandom(1)
  const engine = countingEngine(await openLevelEngine(directory))
  const broker = await EmbeddedBroker.open(engine, { clock, random })
  const server = await serveBroker(broker, address)
  const connections: SocketConnection[] = []
  return embeddedHarness({
    clock,
    random,
    async connect() {
      const connection = await connectBroker(address, clock)
      connections.push(connection)
      return connection.broker
    },
    clean: () => broker.clean(),
    async settle() {
      // An answer comes behind everything that was sent before its question.
      for (let round = 0; round < 3; round += 1) {
        await Promise.all(connections.map(({ broker: other }) => other.listTopics()))
        await engine.idle()
      }
    },
    async close() {
      for (const connection of connections) connection.close()
      await server.close()
      await broker.close()
    },
  })
}
