import type { Clock, Random } from '../clock.ts'
import type { Log } from '../log/log.ts'
import { withRetries } from './retry.ts'

/**
 * The log with patience: calls that only ask, or come to the same when they are made twice, are repeated for about
 * `withinMs` while they fail with `RetriableError`. Starting a task takes a dozen of them; without patience one lost
 * answer would begin all over again.
 */
export function patientLog(log: Log, chance: { clock: Clock; random: Random }, withinMs: number): Log {
  const again = <T>(call: () => Promise<T>): Promise<T> => withRetries(chance, withinMs, call)
  return {
    createTopics: (specs) => again(() => log.createTopics(specs)),
    describeTopics: (names) => again(() => log.describeTopics(names)),
    listTopics: () => again(() => log.listTopics()),
    deleteTopics: (names) => again(() => log.deleteTopics(names)),
    deleteRecords: (before) => again(() => log.deleteRecords(before)),
    offsets: (which, partitions) => again(() => log.offsets(which, partitions)),
    offsetAtTime: (partition, timestampMs) => again(() => log.offsetAtTime(partition, timestampMs)),
    committedOffsets: (groupId, partitions) => again(() => log.committedOffsets(groupId, partitions)),
    describeGroup: (groupId) => again(() => log.describeGroup(groupId)),
    deleteGroup: (groupId) => again(() => log.deleteGroup(groupId)),
    producer: (options) => again(() => log.producer(options)),
    fenceProducer: (transactionalId) => again(() => log.fenceProducer(transactionalId)),
    reader: (options) => log.reader(options),
    joinGroup: (options) => log.joinGroup(options),
    close: () => log.close(),
  }
}
