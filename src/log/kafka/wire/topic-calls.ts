/** Requests about topics: making and deleting them, their settings, their offsets. */
import type { Offset, PartitionOffset, TopicPartition } from '../../log.ts'
import { readByTopic, writeByTopic, type Answer, type ApiCall } from './api-call.ts'

/** A topic to be made; -1 replicas stands for the broker's default. */
export interface NewTopic {
  readonly name: string
  readonly partitions: number
  readonly replicas: number
  readonly configs: readonly (readonly [name: string, value: string])[]
}

/** What became of one topic. */
export interface TopicOutcome {
  readonly name: string
  readonly code: number
  readonly message: string | null
}

interface TopicOutcomes extends Answer {
  readonly topics: readonly TopicOutcome[]
}

/** CreateTopics; any broker forwards it to the controller (KRaft), with ZooKeeper only the controller takes it. */
export const createTopics: ApiCall<
  { readonly topics: readonly NewTopic[]; readonly timeoutMs: number },
  TopicOutcomes
> = {
  key: 19,
  name: 'CreateTopics',
  version: 7,
  encode(writer, { topics, timeoutMs }) {
    writer
      .array(topics, (w, { name, partitions, replicas, configs }) => {
        w.string(name).int32(partitions).int16(replicas).uvarint(1)
        w.array(configs, (c, [key, value]) => c.string(key).string(value).tags()).tags()
      })
      .int32(timeoutMs)
      .boolean(false)
      .tags()
  },
  decode(reader) {
    const throttleMs = reader.int32()
    const topics = reader.array(() => {
      const name = reader.string()
      reader.uuid()
      const outcome = { name, code: reader.int16(), message: reader.nullableString() }
      reader.int32()
      reader.int16()
      reader.array(() => {
        reader.string()
        reader.nullableString()
        reader.raw(3)
        reader.tags()
      })
      reader.tags()
      return outcome
    })
    return { throttleMs, topics }
  },
}

/** DeleteTopics by name; sent to the same broker as CreateTopics. */
export const deleteTopics: ApiCall<
  { readonly names: readonly string[]; readonly timeoutMs: number },
  TopicOutcomes
> = {
  key: 20,
  name: 'DeleteTopics',
  version: 5,
  encode: (writer, { names, timeoutMs }) => {
    writer
      .array(names, (w, name) => w.string(name))
      .int32(timeoutMs)
      .tags()
  },
  decode(reader) {
    const throttleMs = reader.int32()
    const topics = reader.array(() => {
      const outcome = { name: reader.string(), code: reader.int16(), message: reader.nullableString() }
      reader.tags()
      return outcome
    })
    return { throttleMs, topics }
  },
}

/** A topic's settings by name, or why they are not told. */
export interface TopicConfigs extends TopicOutcome {
  readonly configs: ReadonlyMap<string, string>
}

interface ConfigsAnswer extends Answer {
  readonly topics: readonly TopicConfigs[]
}

const TOPIC_RESOURCE = 2

/** DescribeConfigs of topics, only the settings named. */
export const describeTopicConfigs: ApiCall<
  { readonly names: readonly string[]; readonly settings: readonly string[] },
  ConfigsAnswer
> = {
  key: 32,
  name: 'DescribeConfigs',
  version: 4,
  encode(writer, { names, settings }) {
    writer
      .array(names, (w, name) => {
        w.int8(TOPIC_RESOURCE).string(name)
        w.array(settings, (s, setting) => s.string(setting)).tags()
      })
      .boolean(false)
      .boolean(false)
      .tags()
  },
  decode(reader) {
    const throttleMs = reader.int32()
    const topics = reader.array(() => {
      const [code, message] = [reader.int16(), reader.nullableString()]
      reader.int8()
      const name = reader.string()
      const configs = new Map<string, string>()
      reader.array(() => {
        const setting = reader.string()
        const value = reader.nullableString()
        if (value !== null) configs.set(setting, value)
        reader.raw(3)
        reader.array(() => {
          reader.string()
          reader.nullableString()
          reader.int8()
          reader.tags()
        })
        reader.int8()
        reader.nullableString()
        reader.tags()
      })
      reader.tags()
      return { name, code, message, configs }
    })
    return { throttleMs, topics }
  },
}

/** What became of one partition. */
export interface PartitionOutcome extends TopicPartition {
  readonly code: number
}

/** An offset, unless `code` says otherwise. */
export interface OffsetOutcome extends PartitionOutcome {
  readonly offset: Offset
}

interface OffsetOutcomes extends Answer {
  readonly partitions: readonly OffsetOutcome[]
}

/** DeleteRecords: raises the start of partitions; to be sent to their leader. */
export const deleteRecords: ApiCall<
  { readonly before: readonly PartitionOffset[]; readonly timeoutMs: number },
  OffsetOutcomes
> = {
  key: 21,
  name: 'DeleteRecords',
  version: 2,
  encode(writer, { before, timeoutMs }) {
    writeByTopic(writer, before, (w, { partition, offset }) => w.int32(partition).int64(offset).tags())
    writer.int32(timeoutMs).tags()
  },
  decode(reader) {
    const throttleMs = reader.int32()
    const partitions = readByTopic(reader, (r, topic) => {
      const outcome = { topic, partition: r.int32(), offset: r.int64(), code: r.int16() }
      r.tags()
      return outcome
    })
    return { throttleMs, partitions }
  },
}

/** The times of ListOffsets that stand for the ends of a partition, and for its newest record by timestamp. */
export const LATEST = -1n,
  EARLIEST = -2n,
  NEWEST = -3n

/** A time to look up: `LATEST`, `EARLIEST`, `NEWEST` or milliseconds since 1970. */
export interface PartitionTime extends TopicPartition {
  readonly time: bigint
}

/** An offset with the timestamp of its record; both -1 where there is none. */
export interface TimedOffset extends OffsetOutcome {
  readonly timestamp: bigint
}

/**
 * ListOffsets; to be sent to the leader. `committedOnly` bounds it by the last stable offset instead of the high
 * watermark. The offset is -1 where no record is at or after the time.
 */
export const listOffsets: ApiCall<
  { readonly committedOnly: boolean; readonly times: readonly PartitionTime[] },
  Answer & { readonly partitions: readonly TimedOffset[] }
> = {
  key: 2,
  name: 'ListOffsets',
  version: 7,
  encode(writer, { committedOnly, times }) {
    writer.int32(-1).int8(committedOnly ? 1 : 0)
    writeByTopic(writer, times, (w, { partition, time }) => w.int32(partition).int32(-1).int64(time).tags())
    writer.tags()
  },
  decode(reader) {
    const throttleMs = reader.int32()
    const partitions = readByTopic(reader, (r, topic) => {
      const [partition, code] = [r.int32(), r.int16()]
      const [timestamp, offset] = [r.int64(), r.int64()]
      r.int32()
      r.tags()
      return { topic, partition, code, timestamp, offset }
    })
    return { throttleMs, partitions }
  },
}
