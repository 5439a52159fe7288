/** Between the reader and the tasks of a worker: who reads what, from where, and how much may wait. */
import { FatalError, RetriableError } from '../errors.ts'
import {
  partitionKey,
  type FetchedChunk,
  type LogReader,
  type PollResult,
  type TopicPartition,
} from '../log/log.ts'
import { repartitionTopic } from './internal-topics.ts'
import type { InputLookup } from './input-lookup.ts'
import type { RecordReader } from './record-reader.ts'
import type { RunningTask } from './running-task.ts'

interface Feed {
  readonly running: RunningTask
  /** Source topic or repartition node. */
  readonly input: string
  readonly isRepartition: boolean
  readonly partition: TopicPartition
  paused: boolean
}

interface Input {
  readonly reader: RecordReader
  readonly heldBytes: number
  readonly fetchPosition: number
}

export class TaskFeeder {
  private readonly reader: LogReader
  private readonly topicPrefix: string
  private readonly maxWaitingBytes: number
  private readonly lookup: InputLookup
  private readonly feeds = new Map<string, Feed>()
  /** Aborted when the feeds of the moment are given up. */
  private feeding = new AbortController()

  constructor(reader: LogReader, topicPrefix: string, maxWaitingBytes: number, lookup: InputLookup) {
    this.reader = reader
    this.topicPrefix = topicPrefix
    this.maxWaitingBytes = maxWaitingBytes
    this.lookup = lookup
  }

  /** Reads the inputs of a task from where it stands. */
  add(running: RunningTask): void {
    const { sources, repartitions } = running.task.parts.built
    for (const [topic, source] of sources) this.addFeed(running, topic, topic, false, source.fetchPosition)
    for (const [node, input] of repartitions) {
      this.addFeed(running, node, repartitionTopic(this.topicPrefix, node), true, input.fetchPosition)
    }
  }

  /** Reads for nobody any more. */
  clear(): void {
    this.feeding.abort()
    this.feeding = new AbortController()
    for (const { partition } of this.feeds.values()) this.reader.unassign(partition)
    this.feeds.clear()
  }

  /**
   * What was read, once everything is there that decoding it takes. Chunks for tasks that are given up meanwhile are
   * left out: whoever reads that input next reads them again.
   */
  async prepare({ chunks, failures }: PollResult): Promise<PollResult> {
    const { signal } = this.feeding
    const ready: FetchedChunk[] = []
    for (const chunk of chunks) {
      const feed = this.feeds.get(partitionKey(chunk.partition))
      if (feed === undefined) continue
      const { reader } = this.inputOf(feed)
      if (!reader.looksUp || (await this.lookup.prepare(chunk, reader, signal))) ready.push(chunk)
    }
    return { chunks: ready, failures }
  }

  /**
   * Gives to the tasks what was read. `RetriableError` when a partition cannot be read on: the tasks may belong to
   * somebody else by now, who has deleted what he consumed; starting again finds out (and refuses, if they do not).
   */
  distribute({ chunks, failures }: PollResult): void {
    for (const chunk of chunks) {
      const feed = this.feeds.get(partitionKey(chunk.partition))
      if (feed === undefined) continue
      const position = BigInt(this.inputOf(feed).fetchPosition)
      // What was polled before the partition was sent elsewhere does not continue what the task has.
      if (chunk.batches.fromOffset === position) feed.running.task.add(feed.input, chunk)
      else this.reader.assign(feed.partition, position)
    }
    for (const { partition, error } of failures) {
      if (!this.feeds.has(partitionKey(partition))) continue
      const kind = error.code === 'OFFSET_OUT_OF_RANGE' ? RetriableError : FatalError
      throw new kind(error.code, `${partitionKey(partition)} cannot be read on: ${error.message}`, {
        cause: error,
      })
    }
  }

  /**
   * Stops and resumes reading by what waits, and goes back where a task needs what it had dropped. `starved` tasks
   * wait for something that has not arrived, so their repartition inputs are read on in any case.
   */
  regulate(starved: ReadonlySet<RunningTask>): void {
    for (const feed of this.feeds.values()) {
      const input = this.inputOf(feed)
      if (feed.isRepartition) this.rewind(feed)
      const mustRead = feed.isRepartition && starved.has(feed.running)
      if (!feed.paused && input.heldBytes > this.maxWaitingBytes && !mustRead) {
        feed.paused = true
        this.reader.pause(feed.partition)
      } else if (feed.paused && (input.heldBytes < this.maxWaitingBytes / 2 || mustRead)) {
        feed.paused = false
        this.reader.resume(feed.partition)
      }
    }
  }

  private rewind({ running, input, partition }: Feed): void {
    const position = running.task.parts.built.repartitions.get(input)!.takeRewind()
    if (position !== undefined) this.reader.assign(partition, BigInt(position))
  }

  private inputOf({ running, input }: Feed): Input {
    const { sources, repartitions } = running.task.parts.built
    return (sources.get(input) ?? repartitions.get(input))!
  }

  private addFeed(
    running: RunningTask,
    input: string,
    topic: string,
    isRepartition: boolean,
    from: number,
  ): void {
    const partition = { topic, partition: running.task.id.partition }
    this.feeds.set(partitionKey(partition), { running, input, isRepartition, partition, paused: false })
    this.reader.assign(partition, BigInt(from))
  }
}
