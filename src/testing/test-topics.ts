/** Topics as a test writes and reads them. */
import type { Log, LogReader } from '../log/log.ts'
import { partitionForKey } from '../log/partitioner.ts'
import { RecordBatchBuilder } from '../log/record-batch-builder.ts'
import { RecordCursor } from '../log/record-cursor.ts'
import type { Serde } from '../serde/serde.ts'
import type { Header } from '../topology/stream-record.ts'

export interface TopicSerdes<K, V> {
  readonly key: Serde<K>
  readonly value: Serde<V>
}

/** A record to be written. */
export interface PipedRecord<K, V> {
  readonly key: K | null
  readonly value: V | null
  readonly timestampMs: number
  /** By the key where not given. */
  readonly partition?: number
  readonly headers?: readonly Header[]
  /** Bytes to be written instead of `value`: for records that cannot be read. */
  readonly rawValue?: Buffer
}

/** A record as it was written. */
export interface TestRecord<K, V> {
  readonly partition: number
  readonly offset: bigint
  readonly timestampMs: number
  readonly key: K | null
  readonly value: V | null
  readonly headers: Readonly<Record<string, string>>
}

/** What a driver lets a topic do. */
export interface TopicAccess {
  readonly log: Log
  /** Drives the simulated clock until the call has ended. */
  drive<T>(work: Promise<T>): Promise<T>
  partitionsOf(topic: string): Promise<number>
  /** Appends, and works everything that follows. */
  append(
    batches: readonly {
      readonly topic: string
      readonly partition: number
      readonly records: RecordBatchBuilder
    }[],
  ): Promise<void>
}

/** An input topic. */
export class TestInputTopic<K, V> {
  private readonly access: TopicAccess
  private readonly topic: string
  private readonly serdes: TopicSerdes<K, V>

  /** @internal */
  constructor(access: TopicAccess, topic: string, serdes: TopicSerdes<K, V>) {
    this.access = access
    this.topic = topic
    this.serdes = serdes
  }

  /** Writes one record and works everything that follows from it. */
  async pipeInput(key: K | null, value: V | null, timestampMs: number): Promise<void> {
    await this.pipe([{ key, value, timestampMs }])
  }

  /** Writes records in one transaction and works everything that follows. */
  async pipe(records: readonly PipedRecord<K, V>[]): Promise<void> {
    const partitions = await this.access.partitionsOf(this.topic)
    const builders = new Map<number, RecordBatchBuilder>()
    for (const record of records) {
      const key = record.key === null ? null : this.serdes.key.serialize(record.key)
      const value =
        record.rawValue ?? (record.value === null ? null : this.serdes.value.serialize(record.value))
      const partition = record.partition ?? (key === null ? 0 : partitionForKey(key, partitions))
      const builder = builders.get(partition) ?? new RecordBatchBuilder()
      builders.set(partition, builder)
      builder.append(record.timestampMs, key, value, record.headers)
    }
    await this.access.append(
      [...builders].map(([partition, batch]) => ({ topic: this.topic, partition, records: batch })),
    )
  }
}

/** An output topic: committed records, each delivered once. */
export class TestOutputTopic<K, V> {
  private readonly access: TopicAccess
  private readonly topic: string
  private readonly serdes: TopicSerdes<K, V>
  private readonly positions: bigint[] = []

  /** @internal */
  constructor(access: TopicAccess, topic: string, serdes: TopicSerdes<K, V>) {
    this.access = access
    this.topic = topic
    this.serdes = serdes
  }

  /** What was committed since the last call: partition by partition, each in offset order. */
  async readRecords(): Promise<TestRecord<K, V>[]> {
    const { log } = this.access
    const partitions = await this.access.partitionsOf(this.topic)
    const reader = log.reader()
    const records: TestRecord<K, V>[] = []
    try {
      for (let partition = 0; partition < partitions; partition++) {
        const place = { topic: this.topic, partition }
        const [stable] = await this.access.drive(log.offsets('stable', [place]))
        const from = this.positions[partition] ?? 0n
        if (from >= stable!) continue
        reader.assign(place, from)
        this.positions[partition] = await this.readPartition(reader, partition, from, stable!, records)
        reader.unassign(place)
      }
    } finally {
      await this.access.drive(reader.close())
    }
    return records
  }

  private async readPartition(
    reader: LogReader,
    partition: number,
    from: bigint,
    to: bigint,
    records: TestRecord<K, V>[],
  ): Promise<bigint> {
    const cursor = new RecordCursor()
    let position = from
    while (position < to) {
      const { chunks, failures } = await this.access.drive(reader.poll(10))
      if (failures[0] !== undefined) throw failures[0].error
      for (const chunk of chunks) {
        cursor.reset(chunk.batches)
        while (cursor.next()) records.push(this.recordAt(cursor, partition))
        position = chunk.nextOffset
      }
    }
    return position
  }

  private recordAt(cursor: RecordCursor, partition: number): TestRecord<K, V> {
    const { key, value } = this.serdes
    const { buffer, keyStart, keyEnd, valueStart, valueEnd } = cursor
    const headers = cursor
      .headers()
      .map((header) => [header.key, header.value?.toString('utf8') ?? ''] as const)
    return {
      partition,
      offset: cursor.offset,
      timestampMs: cursor.timestampMs,
      key: keyEnd < 0 ? null : key.deserialize(buffer, keyStart, keyEnd),
      value: valueEnd < 0 ? null : value.deserialize(buffer, valueStart, valueEnd),
      headers: Object.fromEntries(headers),
    }
  }
}
