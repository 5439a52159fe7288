/**
 * The entries of storage-layout.ts as writes and reads. Each small value carries a seal, the checksums of key and
 * value, because LevelDB does not check what it reads; record batches have a checksum of their own.
 *
 * A read of anything that was not written so is `FatalError` `LOG_DAMAGED`.
 */
import { FatalError } from '../../errors.ts'
import { crc32c } from '../../crc32c.ts'
import type { EngineEntry, EngineOp } from './engine.ts'
import {
  keyOf,
  readUInt64,
  textOfKey,
  writeUInt64,
  type GroupEntry,
  type GroupOffsetEntry,
  type IndexEntry,
  type PartitionEntry,
  type TopicEntry,
  type TransactionalIdEntry,
} from './storage-layout.ts'

const SEAL_BYTES = 4
const INDEX_BYTES = 36
const PARTITION_BYTES = 24

/** Writes one entry of a kind. */
export const put = {
  meta: (name: Parameters<typeof keyOf.meta>[0], value: number): EngineOp =>
    numberOp(keyOf.meta(name), value),
  topic: (entry: TopicEntry): EngineOp => jsonOp(keyOf.topic(entry.name), entry),
  transactionalId: (id: string, entry: TransactionalIdEntry): EngineOp =>
    jsonOp(keyOf.transactionalId(id), entry),
  group: (groupId: string, entry: GroupEntry): EngineOp => jsonOp(keyOf.group(groupId), entry),
  garbage: (number: number): EngineOp => ({ key: keyOf.garbage(number), value: Buffer.alloc(0) }),
  data: (number: number, base: number, batch: Buffer): EngineOp => ({
    key: keyOf.data(number, base),
    value: batch,
  }),
  groupOffset: ({ groupId, topic, partition, offset }: GroupOffsetEntry): EngineOp =>
    numberOp(keyOf.groupOffset(groupId, topic, partition), offset),
  partition(number: number, { start, endBound, cleanedTo }: PartitionEntry): EngineOp {
    const value = Buffer.allocUnsafe(PARTITION_BYTES + SEAL_BYTES)
    writeUInt64(value, start, 0)
    writeUInt64(value, endBound, 8)
    writeUInt64(value, cleanedTo, 16)
    return sealed(keyOf.partition(number), value)
  },
  index(number: number, entry: IndexEntry): EngineOp {
    const value = Buffer.allocUnsafe(INDEX_BYTES + SEAL_BYTES)
    writeUInt64(value, entry.last, 0)
    value.writeUInt32BE(entry.bytes, 8)
    value.writeDoubleBE(entry.firstTimestampMs, 12)
    value.writeDoubleBE(entry.maxTimestampMs, 20)
    value.writeDoubleBE(entry.tombstonesUntilMs, 28)
    return sealed(keyOf.index(number, entry.base), value)
  },
}

/** Reads one entry of a kind. */
export const read = {
  /** A number of kind 00. */
  meta: (entry: EngineEntry): number => readUInt64(content(entry, 8), 0),
  topic: (entry: EngineEntry): TopicEntry => json<TopicEntry>(entry),
  transactionalId: (entry: EngineEntry): { id: string; entry: TransactionalIdEntry } => {
    return { id: textOfKey(entry.key), entry: json<TransactionalIdEntry>(entry) }
  },
  group: (entry: EngineEntry): { groupId: string; entry: GroupEntry } => {
    return { groupId: textOfKey(entry.key), entry: json<GroupEntry>(entry) }
  },
  groupOffset(entry: EngineEntry): GroupOffsetEntry {
    const { key } = entry
    const offset = readUInt64(content(entry, 8), 0)
    const groupEnd = 3 + key.readUInt16BE(1)
    return {
      groupId: key.toString('utf8', 3, groupEnd),
      topic: key.toString('utf8', groupEnd, key.length - 5),
      partition: key.readUInt32BE(key.length - 4),
      offset,
    }
  },
  partition(entry: EngineEntry): PartitionEntry {
    const value = content(entry, PARTITION_BYTES)
    return { start: readUInt64(value, 0), endBound: readUInt64(value, 8), cleanedTo: readUInt64(value, 16) }
  },
  index(entry: EngineEntry): IndexEntry {
    const value = content(entry, INDEX_BYTES)
    return {
      base: readUInt64(entry.key, 5),
      last: readUInt64(value, 0),
      bytes: value.readUInt32BE(8),
      firstTimestampMs: value.readDoubleBE(12),
      maxTimestampMs: value.readDoubleBE(20),
      tombstonesUntilMs: value.readDoubleBE(28),
    }
  },
}

function numberOp(key: Buffer, number: number): EngineOp {
  const value = Buffer.allocUnsafe(8 + SEAL_BYTES)
  writeUInt64(value, number, 0)
  return sealed(key, value)
}

function jsonOp(key: Buffer, entry: TopicEntry | TransactionalIdEntry | GroupEntry): EngineOp {
  return sealed(key, Buffer.concat([Buffer.from(JSON.stringify(entry)), Buffer.alloc(SEAL_BYTES)]))
}

/** Seals `value`, whose last bytes were left for it. */
function sealed(key: Buffer, value: Buffer): EngineOp {
  const at = value.length - SEAL_BYTES
  value.writeUInt32BE(sealOf(key, value, at), at)
  return { key, value }
}

function sealOf(key: Buffer, value: Buffer, end: number): number {
  return (crc32c(key) ^ crc32c(value, 0, end)) >>> 0
}

/** The value, `bytes` long where that is known, its seal unbroken. */
function content({ key, value }: EngineEntry, bytes?: number): Buffer {
  const at = value.length - SEAL_BYTES
  const whole =
    at >= 0 && (bytes === undefined || at === bytes) && value.readUInt32BE(at) === sealOf(key, value, at)
  if (!whole)
    throw new FatalError('LOG_DAMAGED', `An entry of the log is damaged (key ${key.toString('hex')}).`)
  return value.subarray(0, at)
}

function json<T extends TopicEntry | TransactionalIdEntry | GroupEntry>(entry: EngineEntry): T {
  return JSON.parse(content(entry).toString()) as T
}
