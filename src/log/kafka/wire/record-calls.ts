/** Requests that carry records: Produce and Fetch. */
import type { Offset, TopicPartition } from '../../log.ts'
import type { AbortedTransaction } from '../../record-cursor.ts'
import { readByTopic, writeByTopic, type Answer, type ApiCall } from './api-call.ts'
import type { OffsetOutcome } from './topic-calls.ts'

/** A finished record batch for one partition. */
export interface EncodedBatch extends TopicPartition {
  readonly bytes: Buffer
}

interface ProduceRequest {
  /** Null outside of transactions. */
  readonly transactionalId: string | null
  readonly timeoutMs: number
  /** At most one for each partition. */
  readonly batches: readonly EncodedBatch[]
}

/** The offset of a batch's first record, unless `code` says otherwise. */
export interface ProducedBatch extends OffsetOutcome {
  readonly message: string | null
}

interface ProduceAnswer extends Answer {
  readonly batches: readonly ProducedBatch[]
}

const ALL_REPLICAS = -1

/** Produce, version 9 or, with Transactions V2, 12 (which adds the partitions to the transaction by itself). */
export function produce(version: 9 | 12): ApiCall<ProduceRequest, ProduceAnswer> {
  return {
    key: 0,
    name: 'Produce',
    version,
    encode(writer, { transactionalId, timeoutMs, batches }) {
      writer.string(transactionalId).int16(ALL_REPLICAS).int32(timeoutMs)
      writeByTopic(writer, batches, (w, { partition, bytes }) => w.int32(partition).byteString(bytes).tags())
      writer.tags()
    },
    decode(reader) {
      const batches = readByTopic(reader, (r, topic) => {
        const [partition, code, offset] = [r.int32(), r.int16(), r.int64()]
        r.int64()
        r.int64()
        const records = r.array(() => {
          r.int32()
          const message = r.nullableString()
          r.tags()
          return message
        })
        const message = r.nullableString() ?? records[0] ?? null
        r.tags()
        return { topic, partition, code, offset, message }
      })
      return { throttleMs: reader.int32(), batches }
    },
  }
}

/** From where a partition is to be read. */
export interface FetchPosition {
  readonly topicId: string
  readonly partition: number
  readonly offset: Offset
  readonly maxBytes: number
}

interface FetchRequest {
  readonly positions: readonly FetchPosition[]
  /** How long the broker may wait for the first byte. */
  readonly maxWaitMs: number
}

/** What a partition holds, unless `code` says otherwise. */
export interface FetchedPartition {
  readonly topicId: string
  readonly partition: number
  readonly code: number
  readonly highWatermark: Offset
  readonly lastStable: Offset
  readonly logStart: Offset
  readonly aborted: readonly AbortedTransaction[]
  /** Whole record batches, the last one possibly cut off; a view of the answer. */
  readonly records: Buffer
}

interface FetchAnswer extends Answer {
  readonly code: number
  readonly partitions: readonly FetchedPartition[]
}

const READ_COMMITTED = 1
const NO_SESSION = 0
const NO_SESSION_EPOCH = -1

/**
 * Fetch by topic id (KIP-516), so that a topic made anew under an old name is not taken for the old one; committed
 * records only, without a fetch session. Brokers stop at the last stable offset and name the aborted transactions.
 */
export const fetch: ApiCall<FetchRequest, FetchAnswer> = {
  key: 1,
  name: 'Fetch',
  version: 13,
  encode(writer, { positions, maxWaitMs }) {
    const maxBytes = positions.reduce((sum, position) => sum + position.maxBytes, 0)
    writer.int32(-1).int32(maxWaitMs).int32(1).int32(Math.min(maxBytes, 0x7fff_ffff)).int8(READ_COMMITTED)
    writer.int32(NO_SESSION).int32(NO_SESSION_EPOCH)
    writer.array(inRuns(positions), (w, run) => {
      w.uuid(run[0]!.topicId)
        .array(run, (p, position) => {
          p.int32(position.partition).int32(-1).int64(position.offset).int32(-1).int64(-1n)
          p.int32(position.maxBytes).tags()
        })
        .tags()
    })
    writer.uvarint(1).string('').tags()
  },
  decode(reader) {
    const [throttleMs, code] = [reader.int32(), reader.int16()]
    reader.int32()
    const partitions = reader
      .array(() => {
        const topicId = reader.uuid()
        const members = reader.array(() => {
          const head = {
            topicId,
            partition: reader.int32(),
            code: reader.int16(),
            highWatermark: reader.int64(),
            lastStable: reader.int64(),
            logStart: reader.int64(),
          }
          const aborted = reader.array(() => {
            const transaction = { producerId: reader.int64(), firstOffset: reader.int64() }
            reader.tags()
            return transaction
          })
          reader.int32()
          const records = reader.byteString()
          reader.tags()
          return { ...head, aborted, records }
        })
        reader.tags()
        return members
      })
      .flat()
    return { throttleMs, code, partitions }
  },
}

/** Neighbours of one topic together. The order is kept: a broker fills an answer from the front. */
function inRuns(positions: readonly FetchPosition[]): FetchPosition[][] {
  const runs: FetchPosition[][] = []
  for (const position of positions) {
    const run = runs.at(-1)
    if (run?.[0]?.topicId === position.topicId) run.push(position)
    else runs.push([position])
  }
  return runs
}
