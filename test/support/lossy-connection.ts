/** A connection that delays calls and loses requests and answers, as a seed decides. */
import { sleep, type Clock } from '../../src/clock.ts'
import { RetriableError } from '../../src/errors.ts'
import { callMethod, connectionThrough, type BrokerConnection } from '../../src/log/embedded/index.ts'
import type { SeededRandom } from '../../src/testing/seeded-random.ts'

export interface Losses {
  readonly random: SeededRandom
  readonly clock: Clock
  readonly maxDelayMs: number
  /** Chances per call; may change while it runs, to heal at the end. */
  lostRequest: number
  lostAnswer: number
  /** What gets through to nobody at present. */
  cut?: 'heartbeats' | 'everything' | 'nothing'
}

/** A lost request never happened; a lost answer did, but the caller cannot tell which it was. */
export function lossyConnection(connection: BrokerConnection, losses: Losses): BrokerConnection {
  const { random, clock, maxDelayMs } = losses
  const lost = (): RetriableError => new RetriableError('LOG_UNREACHABLE', 'lost')
  return connectionThrough(async (method, args) => {
    await sleep(clock, random.int(maxDelayMs))
    const { cut } = losses
    if (cut === 'everything' || (cut === 'heartbeats' && method === 'heartbeat')) throw lost()
    if (random.chance(losses.lostRequest)) throw lost()
    const answer = await callMethod(connection, method, args)
    await sleep(clock, random.int(maxDelayMs))
    if (random.chance(losses.lostAnswer)) throw lost()
    return answer
  })
}
