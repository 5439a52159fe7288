/**
 * What stands in the files of the broker, and when it became readable: behind the records of a transaction stands the
 * marker of its commit, with the time at which the broker wrote it. The same clock for both sides, and it costs them
 * nothing.
 */
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { RecordCursor } from '../../src/index.ts'
import {
  ATTRIBUTES_AT,
  BATCH_HEADER_BYTES,
  batchEndAt,
  CONTROL,
  MAX_TIMESTAMP_AT,
  PRODUCER_ID_AT,
  readInt64,
  TRANSACTIONAL,
} from '../../src/log/batch-format.ts'

/** A commit as one partition has it. */
export interface CommittedBatch<T> {
  /** Epoch milliseconds of the broker's clock. */
  readonly committedAtMs: number
  readonly records: readonly T[]
}

/** What is to be kept of a record; the cursor is only good during the call. */
export type TakeRecord<T> = (cursor: RecordCursor) => T

/** Version and type of a control record: 2 bytes each. */
const CONTROL_KEY_BYTES = 4
const COMMIT_TYPE = 1

/** The commits of a topic in the order of their times. `dataFolder`: the broker's `log.dirs`. */
export function commitsOfTopic<T>(
  dataFolder: string,
  topic: string,
  partitions: number,
  take: TakeRecord<T>,
): readonly CommittedBatch<T>[] {
  const commits: CommittedBatch<T>[] = []
  for (let partition = 0; partition < partitions; partition++) {
    commits.push(...commitsIn(bytesOf(dataFolder, topic, partition), take))
  }
  return commits.sort((a, b) => a.committedAtMs - b.committedAtMs)
}

/** Goes through all records of a partition, of transactions or not, in order. */
export function eachRecord(
  dataFolder: string,
  topic: string,
  partition: number,
  take: TakeRecord<void>,
): void {
  const buffer = bytesOf(dataFolder, topic, partition)
  const cursor = new RecordCursor()
  cursor.reset({ buffer, start: 0, end: buffer.length, fromOffset: 0n })
  while (cursor.next()) take(cursor)
}

function bytesOf(dataFolder: string, topic: string, partition: number): Buffer {
  const folder = path.join(dataFolder, `${topic}-${partition}`)
  const segments = readdirSync(folder).filter((name) => name.endsWith('.log'))
  return Buffer.concat(segments.sort().map((name) => readFileSync(path.join(folder, name))))
}

/** The commits in the batches of one partition; records without a transaction are left out. */
export function commitsIn<T>(bytes: Buffer, take: TakeRecord<T>): readonly CommittedBatch<T>[] {
  const open = new Map<number, T[]>()
  const commits: CommittedBatch<T>[] = []
  const cursor = new RecordCursor()
  for (let at = 0; at + BATCH_HEADER_BYTES <= bytes.length;) {
    const end = batchEndAt(bytes, at)
    if (end > bytes.length) break
    const attributes = bytes.readInt16BE(at + ATTRIBUTES_AT)
    const producer = readInt64(bytes, at + PRODUCER_ID_AT)
    if ((attributes & CONTROL) !== 0) {
      const records = open.get(producer) ?? []
      open.delete(producer)
      if (isCommit(bytes, at) && records.length > 0) {
        commits.push({ committedAtMs: readInt64(bytes, at + MAX_TIMESTAMP_AT), records })
      }
    } else if ((attributes & TRANSACTIONAL) !== 0) {
      const records = open.get(producer) ?? []
      cursor.reset({ buffer: bytes, start: at, end, fromOffset: 0n })
      while (cursor.next()) records.push(take(cursor))
      open.set(producer, records)
    }
    at = end
  }
  return commits
}

/** The record of a control batch: length, attributes, two deltas, the length of its key in a byte each, its key. */
function isCommit(bytes: Buffer, batchAt: number): boolean {
  const keyLengthAt = batchAt + BATCH_HEADER_BYTES + 4
  if (bytes[keyLengthAt] !== CONTROL_KEY_BYTES * 2) throw new Error('a control batch of an unknown form')
  return bytes.readInt16BE(keyLengthAt + 1 + 2) === COMMIT_TYPE
}
