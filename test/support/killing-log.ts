/** A log whose process is killed (SIGKILL) at a named call of its producers. */
import type { Log, LogProducer } from '../../src/log/log.ts'

/** Before or after a call to the log. */
export const PRODUCER_POINTS = [
  'before send',
  'after send',
  'before addOffsets',
  'after addOffsets',
  'before commit',
  'after commit',
] as const

export type ProducerPoint = (typeof PRODUCER_POINTS)[number]

/** The log, killing this process at the `occurrence`-th time (from 1) that a producer reaches `point`. */
export function killingLog(inner: Log, point: ProducerPoint | undefined, occurrence: number): Log {
  let times = 0
  const reach = (reached: ProducerPoint): void => {
    if (reached === point && (times += 1) === occurrence) process.kill(process.pid, 'SIGKILL')
  }
  const around = async <T>(call: 'send' | 'addOffsets' | 'commit', work: () => Promise<T>): Promise<T> => {
    reach(`before ${call}`)
    const answer = await work()
    reach(`after ${call}`)
    return answer
  }
  const killing = (producer: LogProducer): LogProducer => ({
    transactionalId: producer.transactionalId,
    begin: () => producer.begin(),
    send: (batches) => around('send', () => producer.send(batches)),
    addOffsets: (...args) => around('addOffsets', () => producer.addOffsets(...args)),
    commit: () => around('commit', () => producer.commit()),
    abort: () => producer.abort(),
    close: () => producer.close(),
  })
  return new Proxy(inner, {
    get(target, name) {
      if (name === 'producer') {
        return async (options: Parameters<Log['producer']>[0]) => killing(await target.producer(options))
      }
      const value = Reflect.get(target, name) as unknown
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}
