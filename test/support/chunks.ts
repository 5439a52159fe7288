/** Chunks as a reader delivers them, made of records. */
import type { FetchedChunk } from '../../src/log/log.ts'
import { RecordBatchBuilder, type RecordHeader } from '../../src/log/record-batch-builder.ts'
import { RecordCursor } from '../../src/log/record-cursor.ts'
import { InputRecord, type RecordOrigin } from '../../src/runtime/input-record.ts'

export interface ChunkRecord {
  readonly offset: number
  readonly timestampMs?: number
  readonly key?: Buffer | string | null
  readonly value?: Buffer | string | null
  readonly headers?: readonly RecordHeader[]
}

const PARTITION = { topic: 'topic', partition: 0 }

/**
 * A chunk of these records, one batch each, so that offsets may have gaps. `nextOffset` is behind the last record
 * where it is not given.
 */
export function chunkOf(records: readonly ChunkRecord[], nextOffset?: number): FetchedChunk {
  const batches = records.map(({ offset, timestampMs = 0, key = null, value = null, headers }) => {
    const builder = new RecordBatchBuilder(256)
    builder.append(timestampMs, key, value, headers)
    const owner = { producerId: -1n, epoch: -1, baseSequence: -1, transactional: false }
    return Buffer.from(builder.build({ ...owner, baseOffset: BigInt(offset) }))
  })
  const buffer = Buffer.concat(batches)
  const next = BigInt(nextOffset ?? (records.at(-1)?.offset ?? -1) + 1)
  return {
    partition: PARTITION,
    batches: { buffer, start: 0, end: buffer.length, fromOffset: BigInt(records[0]?.offset ?? 0) },
    nextOffset: next,
    end: next,
    stable: next,
    start: 0n,
  }
}

/** The records of encoded batches, as a reader would see them. */
export function recordsOf(batch: Buffer): readonly Required<ChunkRecord>[] {
  const cursor = new RecordCursor()
  cursor.reset({ buffer: batch, start: 0, end: batch.length, fromOffset: 0n })
  const records: Required<ChunkRecord>[] = []
  while (cursor.next()) {
    records.push({
      offset: cursor.offsetNumber,
      timestampMs: cursor.timestampMs,
      key: cursor.key(),
      value: cursor.value(),
      headers: cursor.headers(),
    })
  }
  return records
}

export const ORIGIN: RecordOrigin = { channel: 0, topic: 'readings', partition: 3, isReplay: false }

/** A record as a task takes it from its inputs. */
export function inputRecord(record: ChunkRecord, origin = ORIGIN, position = record.offset): InputRecord {
  const cursor = new RecordCursor()
  cursor.reset(chunkOf([record]).batches)
  cursor.next()
  return new InputRecord(origin, position, cursor)
}
