/** A connection to the broker as a network makes it: calls take time, requests and answers get lost. */
import { sleep } from '../../src/clock.ts'
import { RetriableError } from '../../src/errors.ts'
import type { BrokerConnection } from '../../src/log/embedded/index.ts'
import type { SeededRandom } from '../../src/testing/seeded-random.ts'
import type { SimulatedProcess } from './simulated-process.ts'

export interface NetworkFaults {
  /** Longest time of a request, and of an answer. */
  readonly delayMsMax: number
  /** Probability that a request does not arrive. */
  readonly lostRequests: number
  /** Probability that an answer does not arrive: the call took effect, and nobody knows. */
  readonly lostAnswers: number
}

/** How long a process waits before it takes a call for lost. */
const TIMEOUT_MS = 30

export function faultyConnection(
  connection: BrokerConnection,
  process: SimulatedProcess,
  random: SeededRandom,
  faults: NetworkFaults,
  onLost: () => void,
): BrokerConnection {
  const pass = async (): Promise<void> => {
    if (faults.delayMsMax > 0 && random.chance(0.5)) await sleep(process, random.int(faults.delayMsMax + 1))
  }
  const lose = async (): Promise<never> => {
    onLost()
    await sleep(process, TIMEOUT_MS)
    throw new RetriableError('LOG_UNREACHABLE', 'simulated: no answer in time')
  }
  return new Proxy(connection, {
    get(target, name): unknown {
      const member: unknown = Reflect.get(target, name)
      if (typeof member !== 'function') return member
      return async (...args: unknown[]): Promise<unknown> => {
        await process.gate()
        if (random.chance(faults.lostRequests)) await lose()
        await pass()
        const answer: unknown = await (Reflect.apply(member, target, args) as Promise<unknown>)
        if (random.chance(faults.lostAnswers)) await lose()
        await pass()
        await process.gate()
        return answer
      }
    },
  })
}
