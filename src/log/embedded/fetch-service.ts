/** Answers fetches: committed batches below the last stable offset, waiting for news where there are none. */
import type { Clock } from '../../clock.ts'
import { BASE_OFFSET_AT, BATCH_HEADER_BYTES, batchEndAt, lastOffsetAt, readInt64 } from '../batch-format.ts'
import { newDeferred, type Deferred } from './deferred.ts'
import type { Engine } from './engine.ts'
import type {
  FetchAnswer,
  FetchError,
  FetchPartition,
  FetchRequest,
  FetchedPartition,
} from './broker-connection.ts'
import type { PartitionLog } from './partition-log.ts'
import { keyOf, type IndexEntry } from './storage-layout.ts'
import type { TopicRegistry } from './topic-registry.ts'

const EMPTY = Buffer.alloc(0)
/** The cleaner may take a batch away between index and data; more often in a row is damage. */
const ATTEMPTS = 5

/** Reads partitions for any number of readers, and keeps those waiting for whom there is no news. */
export class FetchService {
  private readonly engine: Engine
  private readonly clock: Clock
  private readonly topics: TopicRegistry
  private readonly waits = new Set<NewsWait>()

  constructor(engine: Engine, clock: Clock, topics: TopicRegistry) {
    this.engine = engine
    this.clock = clock
    this.topics = topics
  }

  async fetch({ partitions, maxWaitMs }: FetchRequest): Promise<FetchAnswer> {
    const wait = new NewsWait(this.clock, maxWaitMs)
    this.waits.add(wait)
    try {
      // Listening begins before looking, so that no news falls in between.
      for (const at of partitions) wait.listenTo(this.topics.find(at))
      for (;;) {
        wait.heard = false
        const answer = await this.look(partitions)
        if (answer.partitions.length > 0 || answer.errors.length > 0 || wait.isOver) return answer
        if (!wait.heard) await wait.forNews()
      }
    } finally {
      wait.close()
      this.waits.delete(wait)
    }
  }

  /** Lets all waiting fetches answer with what they have. */
  stop(): void {
    for (const wait of this.waits) wait.end()
  }

  private async look(partitions: readonly FetchPartition[]): Promise<FetchAnswer> {
    const found: FetchedPartition[] = []
    const errors: FetchError[] = []
    await Promise.all(
      partitions.map(async (at) => {
        const { topic, partition } = at
        const log = this.topics.find(at)
        const fault = log === undefined ? unknownTopic(at) : faultOf(at, log)
        if (log === undefined || fault !== null) {
          errors.push({ topic, partition, ...fault! })
        } else if (hasNews(at, log)) {
          const read = await this.read(log, Number(at.offset), at.maxBytes)
          if ('code' in read) errors.push({ topic, partition, ...read })
          else found.push({ topic, partition, topicId: log.topic.topicId, ...read })
        }
      }),
    )
    return { partitions: found, errors }
  }

  private async read(log: PartitionLog, from: number, maxBytes: number): Promise<PartitionRead | Fault> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const stable = log.lastStable
      const progress = { end: BigInt(log.end), stable: BigInt(stable), start: BigInt(log.start) }
      const { entries, upTo } = await log.index.list(from, stable)
      const chosen = entries.slice(0, countWithin(entries, maxBytes))
      const blobs = await this.engine.getMany(chosen.map(({ base }) => keyOf.data(log.number, base)))
      const whole = blobs.filter((blob) => blob !== undefined)
      if (whole.length < blobs.length) continue
      const damaged = chosen.find((entry, at) => !isBatchOf(entry, whole[at]!))
      if (damaged !== undefined) return corrupt(log, damaged.base)
      const next = entries[chosen.length]
      const batches = whole.length === 1 ? whole[0]! : whole.length === 0 ? EMPTY : Buffer.concat(whole)
      return { ...progress, batches, nextOffset: BigInt(next?.base ?? Math.max(upTo, from)) }
    }
    return corrupt(log, from)
  }
}

type PartitionRead = Omit<FetchedPartition, 'topic' | 'partition' | 'topicId'>
type Fault = Pick<FetchError, 'code' | 'message'>

function faultOf(at: FetchPartition, log: PartitionLog): Fault | null {
  if (at.topicId !== null && at.topicId !== log.topic.topicId) return unknownTopic(at)
  const offset = Number(at.offset)
  if (offset >= log.start && offset <= log.end) return null
  const message = `Offset ${at.offset} of ${at.topic}/${at.partition} is not within ${log.start} and ${log.end}.`
  return { code: 'OFFSET_OUT_OF_RANGE', message }
}

function unknownTopic({ topic, partition }: FetchPartition): Fault {
  return {
    code: 'TOPIC_UNKNOWN',
    message: `There is no partition ${partition} of a topic ${topic} any more.`,
  }
}

function corrupt(log: PartitionLog, offset: number): Fault {
  const message = `The batch at offset ${offset} of ${log.topic.name}/${log.partition} is missing or damaged.`
  return { code: 'RECORD_BATCH_CORRUPT', message }
}

function hasNews(at: FetchPartition, log: PartitionLog): boolean {
  const { seen } = at
  const stable = log.lastStable
  if (seen === null || Number(at.offset) < stable) return true
  return Number(seen.stable) !== stable || Number(seen.end) !== log.end || Number(seen.start) !== log.start
}

/** How many of the entries fit; at least one. */
function countWithin(entries: readonly IndexEntry[], maxBytes: number): number {
  let count = 0
  for (let bytes = 0; count < entries.length; count += 1) {
    bytes += entries[count]!.bytes
    if (bytes > maxBytes && count > 0) break
  }
  return count
}

function isBatchOf({ base, last, bytes }: IndexEntry, blob: Buffer): boolean {
  if (blob.length !== bytes || bytes < BATCH_HEADER_BYTES || batchEndAt(blob, 0) !== bytes) return false
  return readInt64(blob, BASE_OFFSET_AT) === base && lastOffsetAt(blob, 0) === last
}

/** Waits until a partition changes or the time is over. */
class NewsWait {
  /** Whether there was a change since it was last set to false. */
  heard = false
  isOver: boolean
  private readonly timer
  private readonly stops: (() => void)[] = []
  private pending: Deferred<void> | null = null

  constructor(clock: Clock, maxWaitMs: number) {
    this.isOver = maxWaitMs <= 0
    this.timer = this.isOver ? null : clock.schedule(maxWaitMs, () => this.end(), { background: true })
  }

  listenTo(partition: PartitionLog | undefined): void {
    if (partition !== undefined) this.stops.push(partition.onChange(() => this.hear()))
  }

  forNews(): Promise<void> {
    this.pending = newDeferred()
    return this.pending.promise
  }

  end(): void {
    this.isOver = true
    this.hear()
  }

  close(): void {
    this.timer?.cancel()
    for (const stop of this.stops) stop()
  }

  private hear(): void {
    this.heard = true
    this.pending?.resolve()
    this.pending = null
  }
}
