/**
 * Publishes kept differences, or takes them back: exactly once, resumable, and never over something newer.
 *
 * What lives in `promotion/`: everything that writes into a published topic because of a backfill. What never does:
 * finding the differences (`reconciliation/`).
 *
 * A transaction holds records and the position behind them in the topic of the differences. It is committed only when
 * nobody has written under one of its keys between the comparison and its own first record: once its records have
 * their offsets, everything before these is read, transactions that are still open included. Records of one partition
 * must have offsets without gaps for that, so that nobody stands between them; where others write so fast that this
 * fails, the transactions become smaller: a single batch for each partition has no gaps.
 */
import { sleep, type Clock } from '../../clock.ts'
import { FatalError, RetriableError } from '../../errors.ts'
import {
  partitionKey,
  type Log,
  type LogProducer,
  type Offset,
  type OutgoingBatch,
  type PartitionOffset,
  type TopicPartition,
} from '../../log/log.ts'
import { RecordBatchBuilder } from '../../log/record-batch-builder.ts'
import type { Difference } from '../reconciliation/difference-record.ts'
import {
  differenceBlocks,
  type BlockLimits,
  type BlockRange,
  type DifferenceBlock,
} from './difference-blocks.ts'
import { judge, newestSince, type Direction } from './fence.ts'
import { withPublisher, type Publisher } from './promotion-headers.ts'

export interface PublicationSpec {
  readonly log: Log
  readonly clock: Clock
  readonly direction: Direction
  readonly publisher: Publisher
  /** Holds the position in the differences. */
  readonly groupId: string
  /** What is left to do. */
  readonly ranges: readonly BlockRange[]
  /** By `partitionKey` of a published partition: where the comparison ended. */
  readonly comparedTo: ReadonlyMap<string, Offset>
  /** Differences and bytes of one transaction. */
  readonly limits?: BlockLimits
  readonly signal?: AbortSignal | undefined
  onProgress?(done: number): void
}

/** What was done. */
export interface PublicationOutcome {
  readonly written: number
  /** Keys that were already as they should be. */
  readonly done: number
  readonly transactions: number
  /** Ended by the signal before everything was done. */
  readonly interrupted: boolean
}

const LIMITS: BlockLimits = { differences: 100_000, bytes: 64 * 1024 * 1024 }
/** A batch of a partition; topics take at least a megabyte unless they say otherwise. */
const BATCH_BYTES = 900_000
/** What is written for such a block fits into one batch: a difference has both sides, a record has headers instead. */
const SMALL_LIMITS: BlockLimits = { differences: 2_000, bytes: BATCH_BYTES / 2 }
const ATTEMPTS_MAX = 5
const BACKOFF_MS = 20
const KEYS_TOLD = 10
const TRANSACTION_TIMEOUT_MS = 60_000

/** A producer for `publish`: whoever published under the same transactional id before is fenced. */
export function openPublisher(log: Log, transactionalId: string): Promise<LogProducer> {
  return log.producer({ transactionalId, transactionTimeoutMs: TRANSACTION_TIMEOUT_MS })
}

/**
 * Publishes. First every key is checked, so that a refusal (`FatalError` `KEYS_CHANGED`) comes before anything is
 * written; `onReady` is awaited between the two. `FencedError` when the same is done by another process by now.
 */
export async function publish(
  spec: PublicationSpec,
  producer: LogProducer,
  onReady: () => Promise<void>,
): Promise<PublicationOutcome> {
  const publication = new Publication(spec, producer)
  await publication.checkAll()
  await onReady()
  return publication.writeAll()
}

/** Others wrote between the records of a transaction, again and again. */
class ContendedError extends RetriableError {
  constructor() {
    super('PARTITIONS_BUSY', 'Others write into the published partitions all the time. Try again.')
  }
}

class Publication {
  private readonly spec: PublicationSpec
  private readonly producer: LogProducer
  private readonly positions = new Map<number, Offset>()
  private written = 0
  private done = 0
  private transactions = 0

  constructor(spec: PublicationSpec, producer: LogProducer) {
    this.spec = spec
    this.producer = producer
  }

  async checkAll(): Promise<void> {
    const { log, ranges, limits = LIMITS } = this.spec
    const refused: Difference[] = []
    for await (const { differences } of differenceBlocks(log, ranges, limits)) {
      refused.push(...(await this.plan(differences)).changed)
    }
    if (refused.length > 0) throw this.refusal(refused, 'Nothing was written.')
  }

  async writeAll(): Promise<PublicationOutcome> {
    let { ranges } = this.spec
    let limits = this.spec.limits ?? LIMITS
    for (;;) {
      try {
        const interrupted = await this.writeRanges(ranges, limits, (after) => (ranges = after))
        const { written, done, transactions } = this
        return { written, done, transactions, interrupted }
      } catch (error) {
        if (!(error instanceof ContendedError) || limits === SMALL_LIMITS) throw error
        limits = SMALL_LIMITS
      }
    }
  }

  private async writeRanges(
    ranges: readonly BlockRange[],
    limits: BlockLimits,
    moved: (ranges: readonly BlockRange[]) => void,
  ): Promise<boolean> {
    let left = ranges
    for await (const block of differenceBlocks(this.spec.log, ranges, limits)) {
      if (this.spec.signal?.aborted === true) return true
      await this.writeBlock(block)
      const positions = new Map(block.positions.map(({ partition, offset }) => [partition, offset]))
      left = left.map((range) => ({ ...range, from: positions.get(range.partition) ?? range.from }))
      moved(left)
      this.spec.onProgress?.(this.written + this.done)
    }
    return false
  }

  /** One transaction. */
  private async writeBlock(block: DifferenceBlock): Promise<void> {
    const { clock, groupId } = this.spec
    for (let attempt = 1; ; attempt++) {
      const { writes, done, changed, seenTo } = await this.plan(block.differences)
      if (changed.length > 0) throw this.refusal(changed, this.writtenSoFar())
      const batches = this.encode(writes)
      this.producer.begin()
      try {
        const offsets = await this.producer.send(batches)
        const untouched = await this.isUntouched(writes, batches, offsets, seenTo)
        if (untouched) {
          await this.producer.addOffsets(groupId, this.positionsBehind(block))
          await this.producer.commit()
          this.count(writes, done)
          return
        }
        await this.producer.abort()
      } catch (error) {
        await this.producer.abort().catch(() => undefined)
        throw error
      }
      if (attempt >= ATTEMPTS_MAX) throw new ContendedError()
      await sleep(clock, BACKOFF_MS * attempt)
    }
  }

  /** What is to be written, judged by everything that is there now. */
  private async plan(differences: readonly Difference[]): Promise<WritePlan> {
    const { log, comparedTo, direction, publisher } = this.spec
    const plan: WritePlan = { writes: [], done: 0, changed: [], seenTo: new Map() }
    for (const [name, ofPartition] of byPartition(differences)) {
      const partition = publishedPartition(ofPartition[0]!)
      const [end] = await log.offsets('end', [partition])
      const from = comparedTo.get(name) ?? 0n
      plan.seenTo.set(name, end!)
      const newest = await newestSince(log, partition, from, end!, keysOf(ofPartition))
      for (const difference of ofPartition) {
        const found = newest.get(difference.key.toString('latin1'))
        const judgement = judge(difference, found, direction, publisher.id)
        if (judgement === 'write') plan.writes.push(difference)
        if (judgement === 'changed') plan.changed.push(difference)
        if (judgement === 'done') plan.done++
      }
    }
    return plan
  }

  private encode(writes: readonly Difference[]): readonly OutgoingBatch[] {
    const batches: OutgoingBatch[] = []
    for (const ofPartition of byPartition(writes).values()) {
      let records = new RecordBatchBuilder()
      const partition = publishedPartition(ofPartition[0]!)
      for (const difference of ofPartition) {
        const { timestampMs, value, headers } = this.recordOf(difference)
        const bound = RecordBatchBuilder.recordSizeBound(difference.key, value, headers)
        if (records.count > 0 && records.byteLength + bound > BATCH_BYTES) {
          batches.push({ ...partition, records })
          records = new RecordBatchBuilder()
        }
        records.append(timestampMs, difference.key, value, headers)
      }
      batches.push({ ...partition, records })
    }
    return batches
  }

  private recordOf({ published, staged }: Difference) {
    const { direction, publisher } = this.spec
    const [before, after] = direction === 'promote' ? [published, staged] : [staged, published]
    const timestampMs = (after ?? before)!.timestampMs
    if (after === undefined) return { timestampMs, value: null, headers: withPublisher([], publisher) }
    // What is restored is restored as it was, without a word about who did it.
    const headers = direction === 'promote' ? withPublisher(after.headers, publisher) : after.headers
    return { timestampMs, value: after.value, headers }
  }

  /** Whether nobody wrote under these keys between what was seen and the records just sent. */
  private async isUntouched(
    writes: readonly Difference[],
    batches: readonly OutgoingBatch[],
    offsets: readonly Offset[],
    seenTo: ReadonlyMap<string, Offset>,
  ): Promise<boolean> {
    const first = firstOffsets(batches, offsets)
    if (first === undefined) return false
    for (const [name, ofPartition] of byPartition(writes)) {
      const partition = publishedPartition(ofPartition[0]!)
      const [from, to] = [seenTo.get(name)!, first.get(name)!]
      const newest = await newestSince(this.spec.log, partition, from, to, keysOf(ofPartition))
      if (newest.size > 0) return false
    }
    return true
  }

  /** Of all partitions, so that a group without positions is one that has committed nothing. */
  private positionsBehind({ positions }: DifferenceBlock): readonly PartitionOffset[] {
    for (const { partition, offset } of positions) this.positions.set(partition, offset)
    return this.spec.ranges.map(({ topic, partition, from }) => {
      return { topic, partition, offset: this.positions.get(partition) ?? from }
    })
  }

  private count(writes: readonly Difference[], done: number): void {
    this.written += writes.length
    this.done += done
    if (writes.length > 0) this.transactions++
  }

  private refusal(changed: readonly Difference[], consequence: string): FatalError {
    const told = changed.slice(0, KEYS_TOLD).map(({ key }) => key.toString('utf8'))
    const more = changed.length > KEYS_TOLD ? `, and ${changed.length - KEYS_TOLD} more` : ''
    const promoting = this.spec.direction === 'promote'
    const since = promoting ? 'since the comparison' : 'since they were promoted'
    const advice = promoting ? ' Reconcile again.' : ''
    return new FatalError(
      'KEYS_CHANGED',
      `${changed.length} of the keys were written by others ${since}: ${told.join(', ')}${more}. ` +
        `${consequence}${advice}`,
    )
  }

  private writtenSoFar(): string {
    return this.written === 0 ? 'Nothing was written.' : `${this.written} keys were written before.`
  }
}

interface WritePlan {
  readonly writes: Difference[]
  done: number
  readonly changed: Difference[]
  /** By published partition: up to where it was looked at. */
  readonly seenTo: Map<string, Offset>
}

/** By partition the offset of the first record; `undefined` where others stand between the records of one. */
function firstOffsets(
  batches: readonly OutgoingBatch[],
  offsets: readonly Offset[],
): ReadonlyMap<string, Offset> | undefined {
  const first = new Map<string, Offset>()
  const next = new Map<string, Offset>()
  for (const [index, batch] of batches.entries()) {
    const [name, offset] = [partitionKey(batch), offsets[index]!]
    if ((next.get(name) ?? offset) !== offset) return undefined
    if (!first.has(name)) first.set(name, offset)
    next.set(name, offset + BigInt(batch.records.count))
  }
  return first
}

function byPartition(differences: readonly Difference[]): ReadonlyMap<string, readonly Difference[]> {
  const parts = new Map<string, Difference[]>()
  for (const difference of differences) {
    const name = partitionKey(difference)
    const part = parts.get(name)
    if (part === undefined) parts.set(name, [difference])
    else part.push(difference)
  }
  return parts
}

function publishedPartition({ topic, partition }: Difference): TopicPartition {
  return { topic, partition }
}

function keysOf(differences: readonly Difference[]): ReadonlySet<string> {
  return new Set(differences.map(({ key }) => key.toString('latin1')))
}
