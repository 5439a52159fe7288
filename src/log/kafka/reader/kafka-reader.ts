/** Reads partitions of a Kafka log ahead of the polls. */
import { sleep } from '../../../clock.ts'
import { codeOf, FatalError, messageOf, RetriableError } from '../../../errors.ts'
import {
  partitionKey,
  type LogReader,
  type Offset,
  type PollResult,
  type ReaderOptions,
  type TopicPartition,
} from '../../log.ts'
import { ReadAhead, type Reading } from '../../read-ahead.ts'
import { unknownPartition } from '../cluster/at-leaders.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { addressText, type Address } from '../transport/channel.ts'
import { isDenied, KafkaCode, kafkaError, leaderMoved } from '../wire/error-code.ts'
import type { FetchedPartition } from '../wire/record-calls.ts'
import { fetchedRecords } from './fetched-records.ts'
import { LeaderLine } from './leader-line.ts'

/** How long a broker waits for the first record of a Fetch, as Java's clients let it. */
const LONG_POLL_MS = 500
const BACKOFF_MS = 50

/**
 * Partitions that may be fetched are asked of their leaders, those of one leader together. Leaders that moved and
 * connections that broke are looked for again and again; only what concerns a partition for good is told to the poll.
 */
export class KafkaReader implements LogReader {
  private readonly cluster: Cluster
  private readonly ahead: ReadAhead
  private readonly onClosed: (reader: KafkaReader) => void
  private readonly lines = new Map<string, LeaderLine>()
  private readonly closing = new AbortController()
  /** Where the next request begins: a broker fills an answer from the front. */
  private turn = 0

  constructor(cluster: Cluster, options: ReaderOptions, onClosed: (reader: KafkaReader) => void) {
    this.cluster = cluster
    this.ahead = new ReadAhead({ clock: cluster.clock, options, fetch: () => this.fetchDue() })
    this.onClosed = onClosed
  }

  assign(partition: TopicPartition, from: Offset): void {
    this.ahead.assign(partition, from)
  }

  unassign(partition: TopicPartition): void {
    this.ahead.unassign(partition)
  }

  pause(partition: TopicPartition): void {
    this.ahead.pause(partition)
  }

  resume(partition: TopicPartition): void {
    this.ahead.resume(partition)
  }

  poll(maxWaitMs: number): Promise<PollResult> {
    return this.ahead.poll(maxWaitMs)
  }

  close(): Promise<void> {
    if (this.ahead.close()) {
      this.closing.abort()
      for (const line of this.lines.values()) line.close()
      this.onClosed(this)
    }
    return Promise.resolve()
  }

  private fetchDue(): void {
    const due = this.ahead.due()
    const groups = new Map<LeaderLine, Reading[]>()
    const lost: Reading[] = []
    for (const reading of due) {
      const leader = this.leaderOf(reading)
      if (leader === null) continue
      if (leader === undefined) {
        lost.push(reading)
        continue
      }
      const line = this.lineTo(leader)
      const group = groups.get(line)
      if (group === undefined) groups.set(line, [reading])
      else group.push(reading)
    }
    if (lost.length > 0) void this.locate(lost)
    for (const [line, readings] of groups) if (line.free) void this.fetch(line, readings)
  }

  /** Where a partition is led; undefined where that has to be asked, null where the partition has failed. */
  private leaderOf(reading: Reading): Address | undefined | null {
    const place = this.cluster.place(reading.at.topic)
    if (place === undefined) return undefined
    const leader = place.leaders[reading.at.partition]
    // Whatever took the name of the topic that was read from is another topic.
    const replaced = reading.seen !== null && reading.topicId !== place.topicId
    if (leader === undefined || replaced) {
      this.ahead.fail(reading, unknownPartition(reading.at))
      return null
    }
    reading.topicId = place.topicId
    return this.cluster.node(leader)
  }

  /** Asks where partitions are led. */
  private async locate(readings: readonly Reading[]): Promise<void> {
    for (const reading of readings) reading.inFlight = true
    for (const { at } of readings) this.cluster.forgetPlace(at.topic)
    try {
      const places = await this.cluster.locate([...new Set(readings.map(({ at }) => at.topic))])
      let leaderless = false
      for (const reading of readings) {
        const place = places.get(reading.at.topic)
        if (place instanceof FatalError) this.ahead.fail(reading, place)
        const leader = place instanceof FatalError ? undefined : place?.leaders[reading.at.partition]
        leaderless ||= leader !== undefined && this.cluster.node(leader) === undefined
      }
      if (leaderless) await this.wait(BACKOFF_MS)
    } catch (error) {
      await this.afterError(error)
    }
    for (const reading of readings) reading.inFlight = false
    this.ahead.fetchSoon()
  }

  private async fetch(line: LeaderLine, readings: Reading[]): Promise<void> {
    const maxBytes = this.ahead.chunkBytes()
    const asked = this.inTurn(readings)
    for (const reading of asked) reading.inFlight = true
    let again = false
    try {
      const first = asked.some(({ seen }) => seen === null)
      const answered = await line.fetch({
        positions: asked.map(({ at, topicId, position }) => {
          return { topicId: topicId ?? '', partition: at.partition, offset: position, maxBytes }
        }),
        maxWaitMs: first ? 0 : LONG_POLL_MS,
      })
      const byKey = new Map(asked.map((reading) => [`${reading.topicId}/${reading.at.partition}`, reading]))
      for (const fetched of answered) {
        const reading = byKey.get(`${fetched.topicId}/${fetched.partition}`)
        if (reading !== undefined) again = this.accept(reading, fetched) || again
      }
    } catch (error) {
      // The leader may be another one by now.
      for (const { at } of asked) this.cluster.forgetPlace(at.topic)
      await this.afterError(error)
    }
    if (again) await this.wait(BACKOFF_MS)
    for (const reading of asked) reading.inFlight = false
    this.ahead.fetchSoon()
  }

  /** Takes what was fetched of one partition; true when it has to be looked for elsewhere. */
  private accept(reading: Reading, fetched: FetchedPartition): boolean {
    const { code } = fetched
    if (code === KafkaCode.NONE) {
      this.acceptRecords(reading, fetched)
      return false
    }
    if (leaderMoved(code)) {
      this.cluster.forgetPlace(reading.at.topic)
      return true
    }
    this.ahead.fail(reading, fetchError(code, reading))
    return false
  }

  private acceptRecords(reading: Reading, fetched: FetchedPartition): void {
    const { highWatermark: end, lastStable: stable, logStart: start } = fetched
    try {
      const { batches, nextOffset } = fetchedRecords(fetched.records, reading.position, fetched.aborted)
      this.ahead.accept(reading, { partition: reading.at, batches, nextOffset, end, stable, start })
    } catch (error) {
      const text = `${partitionKey(reading.at)}: ${messageOf(error)}`
      this.ahead.fail(reading, new FatalError(codeOf(error, 'RECORD_BATCH_CORRUPT'), text, { cause: error }))
    }
  }

  private async afterError(error: unknown): Promise<void> {
    if (error instanceof RetriableError) await this.wait(BACKOFF_MS)
    else this.ahead.failAll(error instanceof Error ? error : new FatalError('LOG_FAILED', String(error)))
  }

  private wait(ms: number): Promise<void> {
    return sleep(this.cluster.clock, ms, this.closing.signal)
  }

  private inTurn(readings: readonly Reading[]): Reading[] {
    this.turn += 1
    const at = this.turn % readings.length
    return [...readings.slice(at), ...readings.slice(0, at)]
  }

  private lineTo(leader: Address): LeaderLine {
    const key = addressText(leader)
    let line = this.lines.get(key)
    if (line === undefined) {
      line = new LeaderLine(this.cluster, leader)
      this.lines.set(key, line)
    }
    return line
  }
}

function fetchError(code: number, { at, position }: Reading): FatalError {
  const where = partitionKey(at)
  if (code === KafkaCode.OFFSET_OUT_OF_RANGE) {
    return new FatalError('OFFSET_OUT_OF_RANGE', `Offset ${position} does not exist in ${where}.`)
  }
  if (code === KafkaCode.CORRUPT_MESSAGE) {
    return new FatalError('RECORD_BATCH_CORRUPT', `The broker found damaged records in ${where}.`)
  }
  const { code: ours, message } = kafkaError(code, isDenied(code) ? `reading ${where}` : `fetching ${where}`)
  return new FatalError(ours, message)
}
