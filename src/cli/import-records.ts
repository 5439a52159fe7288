/** What an import writes: readings as records of the topic, lines that are none as dead letters. */
import type { Clock } from '../clock.ts'
import { ConfigError, FatalError } from '../errors.ts'
import type { Log, OutgoingBatch, TopicDescription } from '../log/log.ts'
import { partitionForKey } from '../log/partitioner.ts'
import type { RecordHeader } from '../log/record-batch-builder.ts'
import { DEAD_LETTER, INGESTED_AT } from '../runtime/header-names.ts'
import { fitDeadLetter } from '../runtime/dead-letter.ts'
import type { BadLine } from '../sensors/line-reader.ts'
import type { Serde } from '../serde/serde.ts'
import type { Reading } from '../sensors/reading.ts'
import { OutgoingRecords } from './outgoing-records.ts'

/** Partitions of a topic that is made without a word about them. */
export const DEFAULT_PARTITIONS = 4
/** As the runtime's own: below the usual limit of a topic. */
const DEAD_LETTER_BYTES_MAX = 1_000_000
/** What a batch of one record has besides it. */
const BATCH_ROOM_BYTES = 4_096
const MESSAGE_CHARACTERS_MAX = 1_000

/** The name of a topic's dead-letter topic. */
export function deadLetterTopicOf(topic: string): string {
  return `${topic}.dlq`
}

/** The name of a topic's late side output. */
export function lateTopicOf(topic: string): string {
  return `${topic}.late`
}

/**
 * The topic, made where it is missing; its records never expire, for they carry the time of their readings.
 * `ConfigError` when it exists with another partition count than is asked for.
 */
export async function ensureTopic(
  log: Log,
  topic: string,
  partitions: number | undefined,
): Promise<TopicDescription> {
  const existing = (await log.describeTopics([topic])).get(topic)
  if (existing === undefined) {
    await log.createTopics([{ name: topic, partitions: partitions ?? DEFAULT_PARTITIONS }])
    return ensureTopic(log, topic, undefined)
  }
  if (partitions !== undefined && partitions !== existing.partitions) {
    const is = `topic ${topic} has ${existing.partitions} partitions`
    throw new ConfigError([
      `${is}, and --partitions asks for ${partitions}; leave it out, or choose another topic`,
    ])
  }
  const { retentionMs } = existing.settings
  if (retentionMs !== -1) {
    throw new FatalError(
      'TOPIC_EXPIRES',
      `Topic ${topic} drops records that are older than ${retentionMs} ms, by the time of the readings. ` +
        'Set its retention.ms to -1 first.',
    )
  }
  return existing
}

/** Where readings go, and how they are written. */
export interface ImportTarget {
  readonly log: Log
  readonly topic: string
  readonly partitions: number | undefined
  readonly clock: Clock
  readonly reading: Serde<Reading>
}

/** The records of one transaction after the other. */
export class ImportRecords {
  readonly topicId: string
  private readonly topic: TopicDescription
  private readonly deadLetters: TopicDescription
  private readonly clock: Clock
  private readonly serde: Serde<Reading>
  private readonly outgoing: OutgoingRecords
  /** When the records of the transaction enter the log: the same for all of them. */
  private ingestedAt: readonly RecordHeader[] | undefined

  private constructor(
    topic: TopicDescription,
    deadLetters: TopicDescription,
    clock: Clock,
    serde: Serde<Reading>,
  ) {
    this.serde = serde
    this.topic = topic
    this.deadLetters = deadLetters
    this.clock = clock
    this.topicId = topic.topicId
    const { maxMessageBytes } = topic.settings
    this.outgoing = new OutgoingRecords(Math.min(maxMessageBytes, deadLetters.settings.maxMessageBytes))
  }

  /** Makes the topics where they are missing. */
  static async open({ log, topic: name, partitions, clock, reading }: ImportTarget): Promise<ImportRecords> {
    const topic = await ensureTopic(log, name, partitions)
    const letters = deadLetterTopicOf(name)
    const existing = (await log.describeTopics([letters])).get(letters)
    const deadLetters = existing ?? (await ensureTopic(log, letters, topic.partitions))
    return new ImportRecords(topic, deadLetters, clock, reading)
  }

  get count(): number {
    return this.outgoing.count
  }

  get bytes(): number {
    return this.outgoing.bytes
  }

  addReading(reading: Reading): void {
    this.outgoing.append({
      topic: this.topic.name,
      partition: partitionForKey(reading.sensorId, this.topic.partitions),
      timestampMs: reading.timestamp,
      key: reading.sensorId,
      value: this.serde.serialize(reading),
      headers: this.headers(),
    })
  }

  /** Keeps a line that is no reading, as it is, with what is wrong with it. */
  addBadLine({ file, line, raw, code, message }: BadLine & { readonly file: string }): void {
    const now = this.clock.now()
    const letter = fitDeadLetter(
      {
        timestampMs: now,
        key: null,
        value: raw,
        headers: [
          ...this.headers(),
          text(DEAD_LETTER.exception, 'RecordError'),
          text(DEAD_LETTER.message, message.slice(0, MESSAGE_CHARACTERS_MAX)),
          text(DEAD_LETTER.stacktrace, ''),
          text(DEAD_LETTER.topic, this.topic.name),
          text(DEAD_LETTER.stage, 'import'),
          text(DEAD_LETTER.code, code),
          text(DEAD_LETTER.attempt, '1'),
          text(DEAD_LETTER.time, String(now)),
          text(DEAD_LETTER.file, file),
          text(DEAD_LETTER.line, String(line)),
        ],
      },
      Math.min(DEAD_LETTER_BYTES_MAX, this.deadLetters.settings.maxMessageBytes - BATCH_ROOM_BYTES),
    )
    const partition = partitionForKey(file, this.deadLetters.partitions)
    this.outgoing.append({ ...letter, topic: this.deadLetters.name, partition, key: null })
  }

  take(): readonly OutgoingBatch[] {
    this.ingestedAt = undefined
    return this.outgoing.take()
  }

  private headers(): readonly RecordHeader[] {
    this.ingestedAt ??= [text(INGESTED_AT, String(this.clock.now()))]
    return this.ingestedAt
  }
}

function text(key: string, value: string): RecordHeader {
  return { key, value: Buffer.from(value) }
}
