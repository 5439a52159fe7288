/** Reads kept differences, in blocks that fit into memory and into one transaction. */
import type { Log, Offset, PartitionOffset } from '../../log/log.ts'
import { RecordCursor } from '../../log/record-cursor.ts'
import { readRange } from '../../runtime/commit-log.ts'
import { decodeDifference, type Difference } from '../reconciliation/difference-record.ts'

/** Differences at offsets in `[from, to)` of a partition of their topic. */
export interface BlockRange {
  readonly topic: string
  readonly partition: number
  readonly from: Offset
  readonly to: Offset
}

/** How much a block holds at most; a difference that is larger makes a block of its own. */
export interface BlockLimits {
  readonly differences: number
  readonly bytes: number
}

export interface DifferenceBlock {
  readonly differences: readonly Difference[]
  /** Where each partition stands behind the block. */
  readonly positions: readonly PartitionOffset[]
}

const POLL_MS = 200

/** Yields the differences of the ranges, partition by partition in order; no empty blocks. */
export async function* differenceBlocks(
  log: Log,
  ranges: readonly BlockRange[],
  limits: BlockLimits,
): AsyncGenerator<DifferenceBlock> {
  let block = new BlockBuilder()
  for (const range of ranges) {
    for await (const { difference, offset, bytes } of differencesIn(log, range)) {
      const count = block.differences.length
      if (count > 0 && (count >= limits.differences || block.bytes + bytes > limits.bytes)) {
        yield block.finish()
        block = new BlockBuilder()
      }
      block.add(difference, range, offset + 1n, bytes)
    }
  }
  if (block.differences.length > 0) yield block.finish()
}

/** How many differences the ranges hold. */
export async function countDifferences(log: Log, ranges: readonly BlockRange[]): Promise<number> {
  let count = 0
  for (const range of ranges) {
    await readRange(log, range, range.from, range.to, () => count++)
  }
  return count
}

/** The part of the ranges that holds their first `count` differences. */
export async function firstDifferences(
  log: Log,
  ranges: readonly BlockRange[],
  count: number,
): Promise<readonly BlockRange[]> {
  let left = count
  const first: BlockRange[] = []
  for (const range of ranges) {
    let to = range.from
    await readRange(log, range, range.from, range.to, (cursor) => {
      if (left === 0) return
      left--
      to = cursor.offset + 1n
    })
    first.push({ ...range, to: left > 0 ? range.to : to })
  }
  return first
}

class BlockBuilder {
  readonly differences: Difference[] = []
  bytes = 0
  private readonly positions = new Map<number, PartitionOffset>()

  add(difference: Difference, { topic, partition }: BlockRange, position: Offset, bytes: number): void {
    this.differences.push(difference)
    this.bytes += bytes
    this.positions.set(partition, { topic, partition, offset: position })
  }

  finish(): DifferenceBlock {
    return { differences: this.differences, positions: [...this.positions.values()] }
  }
}

interface KeptDifference {
  readonly difference: Difference
  readonly offset: Offset
  readonly bytes: number
}

async function* differencesIn(log: Log, range: BlockRange): AsyncGenerator<KeptDifference> {
  for await (const cursor of chunksIn(log, range)) {
    while (cursor.next()) {
      if (cursor.offset >= range.to) return
      const difference = decodeDifference(range.partition, cursor.key(), cursor.value())
      yield { difference, offset: cursor.offset, bytes: cursor.recordEnd - cursor.recordStart }
    }
  }
}

/** A cursor at the start of each chunk of committed records, until the position has reached the end of the range. */
async function* chunksIn(log: Log, { topic, partition, from, to }: BlockRange): AsyncGenerator<RecordCursor> {
  if (from >= to) return
  const reader = log.reader()
  try {
    reader.assign({ topic, partition }, from)
    const cursor = new RecordCursor()
    for (let position = from; position < to;) {
      const { chunks, failures } = await reader.poll(POLL_MS)
      const [failure] = failures
      if (failure !== undefined) throw failure.error
      for (const { batches, nextOffset } of chunks) {
        cursor.reset(batches)
        yield cursor
        position = nextOffset
      }
    }
  } finally {
    await reader.close()
  }
}
