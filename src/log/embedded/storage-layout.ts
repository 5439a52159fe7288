/**
 * What the embedded log writes into its engine, format version 1.
 *
 * ```
 *  key                                          value
 *  00 name                                      meta: `format` (version), `producerId`, `partitionNumber` (next free)
 *  01 topic                                     JSON TopicEntry
 *  02 number u32                                start u64 | end bound u64 | cleaned to u64
 *  03 number u32 | base offset u64              last u64 | bytes u32 | three doubles: IndexEntry's times
 *  04 number u32 | base offset u64              the record batch, as Kafka would store it
 *  05 transactional id                          JSON TransactionalIdEntry
 *  06 group                                     JSON GroupEntry
 *  07 group length u16 | group | topic | 00 | partition u32    offset u64
 *  08 number u32                                empty: a partition of a deleted topic, its data still to be removed
 * ```
 *
 * Behind every value but those of 04 and 08 stands its seal, see stored-entries.ts.
 *
 * Numbers are big endian, so that keys sort as their numbers do. A partition is known by a number that is never used
 * again. Only committed batches are written. The end bound is at or above every offset that was given out: after a
 * crash the partition goes on from there, so that an end that somebody has seen is always reached again.
 */
import type { TopicSettings } from '../log.ts'

/** Raised with every change of what is written below. */
export const FORMAT_VERSION = 1

const META = 0x00
const TOPIC = 0x01
const PARTITION = 0x02
const INDEX = 0x03
const DATA = 0x04
const TRANSACTIONAL_ID = 0x05
const GROUP = 0x06
const GROUP_OFFSET = 0x07
const GARBAGE = 0x08

/** A topic. */
export interface TopicEntry {
  readonly name: string
  readonly topicId: string
  readonly partitions: number
  /** Number of partition 0; the others follow. */
  readonly firstNumber: number
  readonly settings: Required<TopicSettings>
}

/** A partition, its data apart. */
export interface PartitionEntry {
  readonly start: number
  readonly endBound: number
  /** Compaction has seen everything below. */
  readonly cleanedTo: number
}

/** One stored batch, told apart from its data. */
export interface IndexEntry {
  readonly base: number
  /** The last offset the batch was written with. */
  readonly last: number
  readonly bytes: number
  readonly firstTimestampMs: number
  readonly maxTimestampMs: number
  /** When its tombstones may go, by the wall clock; 0 while compaction has not met any in it. */
  readonly tombstonesUntilMs: number
}

/** Who holds a transactional id. */
export interface TransactionalIdEntry {
  readonly producerId: number
  readonly epoch: number
  readonly lastUsedMs: number
}

/** A consumer group, its offsets apart. */
export interface GroupEntry {
  readonly generation: number
}

/** Where a group stands in a partition. */
export interface GroupOffsetEntry {
  readonly groupId: string
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

function textKey(kind: number, text: string): Buffer {
  return Buffer.concat([Buffer.from([kind]), Buffer.from(text)])
}

function numberKey(kind: number, number: number): Buffer {
  const key = Buffer.allocUnsafe(5)
  key[0] = kind
  key.writeUInt32BE(number, 1)
  return key
}

function offsetKey(kind: number, number: number, offset: number): Buffer {
  const key = Buffer.allocUnsafe(13)
  key[0] = kind
  key.writeUInt32BE(number, 1)
  writeUInt64(key, offset, 5)
  return key
}

/** Writes a safe integer that is not negative as 64 bits. */
export function writeUInt64(buffer: Buffer, value: number, at: number): void {
  const high = Math.floor(value / 4_294_967_296)
  buffer.writeUInt32BE(high, at)
  buffer.writeUInt32BE(value - high * 4_294_967_296, at + 4)
}

/** Reads it. */
export function readUInt64(buffer: Buffer, at: number): number {
  return buffer.readUInt32BE(at) * 4_294_967_296 + buffer.readUInt32BE(at + 4)
}

/** Builds keys. */
export const keyOf = {
  meta: (name: 'format' | 'producerId' | 'partitionNumber'): Buffer => textKey(META, name),
  topic: (name: string): Buffer => textKey(TOPIC, name),
  partition: (number: number): Buffer => numberKey(PARTITION, number),
  index: (number: number, base: number): Buffer => offsetKey(INDEX, number, base),
  data: (number: number, base: number): Buffer => offsetKey(DATA, number, base),
  transactionalId: (id: string): Buffer => textKey(TRANSACTIONAL_ID, id),
  group: (groupId: string): Buffer => textKey(GROUP, groupId),
  garbage: (number: number): Buffer => numberKey(GARBAGE, number),
  groupOffset(groupId: string, topic: string, partition: number): Buffer {
    const group = Buffer.from(groupId)
    const head = Buffer.allocUnsafe(3)
    head[0] = GROUP_OFFSET
    head.writeUInt16BE(group.length, 1)
    const tail = Buffer.allocUnsafe(5)
    tail[0] = 0
    tail.writeUInt32BE(partition, 1)
    return Buffer.concat([head, group, Buffer.from(topic), tail])
  },
}

/** Where the kinds of keys lie, as `[from, to)`. */
export const rangeOf = {
  everything: { from: Buffer.alloc(0), to: Buffer.from([0xff]) },
  topics: { from: Buffer.from([TOPIC]), to: Buffer.from([TOPIC + 1]) },
  transactionalIds: { from: Buffer.from([TRANSACTIONAL_ID]), to: Buffer.from([TRANSACTIONAL_ID + 1]) },
  groups: { from: Buffer.from([GROUP]), to: Buffer.from([GROUP + 1]) },
  groupOffsets: { from: Buffer.from([GROUP_OFFSET]), to: Buffer.from([GROUP_OFFSET + 1]) },
  garbage: { from: Buffer.from([GARBAGE]), to: Buffer.from([GARBAGE + 1]) },
  /** Index entries with base offsets in `[from, to)`. */
  index: (number: number, from = 0, to = Number.MAX_SAFE_INTEGER): { from: Buffer; to: Buffer } => ({
    from: offsetKey(INDEX, number, from),
    to: offsetKey(INDEX, number, to),
  }),
  data: (number: number, from = 0, to = Number.MAX_SAFE_INTEGER): { from: Buffer; to: Buffer } => ({
    from: offsetKey(DATA, number, from),
    to: offsetKey(DATA, number, to),
  }),
}

/** The number in a key of kind 02, 03, 04 or 08. */
export function numberOfKey(key: Buffer): number {
  return key.readUInt32BE(1)
}

/** The text in a key of kind 01, 05 or 06. */
export function textOfKey(key: Buffer): string {
  return key.toString('utf8', 1)
}
