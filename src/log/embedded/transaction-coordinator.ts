/**
 * Transactions: who may write under a transactional id, and how what was written becomes visible or vanishes.
 *
 * The records of an open transaction are held in memory at their offsets. A commit is one atomic engine write with
 * all batches, their index entries and the group offsets; only then the last stable offset moves past them. An abort
 * writes nothing.
 */
import type { Clock } from '../../clock.ts'
import { AbortableError, FencedError } from '../../errors.ts'
import { BATCH_HEADER_BYTES } from '../batch-format.ts'
import type { Offset, PartitionOffset } from '../log.ts'
import type {
  AddOffsetsRequest,
  EndTransactionRequest,
  InitProducerRequest,
  ProduceRequest,
  ProducerIdentity,
  TransactionStep,
} from './broker-connection.ts'
import { checkBatch } from './batch-check.ts'
import type { Engine, EngineOp } from './engine.ts'
import type { GroupCoordinator } from './group-coordinator.ts'
import type { OpenTransaction } from './open-transaction.ts'
import { sequenceOf, type HeldRun, type PartitionLog } from './partition-log.ts'
import { keyOf, rangeOf } from './storage-layout.ts'
import { put, read } from './stored-entries.ts'
import type { TopicRegistry } from './topic-registry.ts'
import { TransactionalProducer } from './transactional-producer.ts'
import type { WriteQueue } from './write-queue.ts'

/** How far the end bound on disk is kept ahead of the end, so that few writes raise it. */
const RESERVED_OFFSETS = 4096
/** A transactional id that was not used for so long is forgotten, as in Kafka. */
const ID_EXPIRY_MS = 7 * 24 * 3_600_000
/** How often the time of last use is stored. */
const USE_STORED_EVERY_MS = 24 * 3_600_000

/** What transactions are made of. */
export interface TransactionCoordinatorParts {
  readonly engine: Engine
  readonly queue: WriteQueue
  readonly clock: Clock
  readonly topics: TopicRegistry
  readonly groups: GroupCoordinator
  /** For simulations: how long after its decision an outcome becomes visible in one place; null for at once. */
  readonly markerDelayMs: (() => number) | null
  /** Called with the bytes that became visible in a partition. */
  readonly onCommitted: (partition: PartitionLog, bytes: number) => void
}

/** All transactional ids of a broker, and what is open under them. */
export class TransactionCoordinator {
  private readonly parts: TransactionCoordinatorParts
  private readonly producers = new Map<string, TransactionalProducer>()
  private nextProducerId = 0

  constructor(parts: TransactionCoordinatorParts) {
    this.parts = parts
  }

  async load(): Promise<void> {
    const { engine } = this.parts
    const key = keyOf.meta('producerId')
    const value = await engine.get(key)
    this.nextProducerId = value === undefined ? 0 : read.meta({ key, value })
    const limit = Number.MAX_SAFE_INTEGER
    for (const stored of await engine.scan({ ...rangeOf.transactionalIds, limit })) {
      const { id, entry } = read.transactionalId(stored)
      this.producers.set(id, new TransactionalProducer(id, entry))
    }
  }

  /** Fences the holder, ends its open transaction, and makes the caller the holder. */
  async init(request: InitProducerRequest): Promise<ProducerIdentity> {
    const { queue, clock } = this.parts
    const producer = this.producerFor(request.transactionalId)
    producer.checkNotEnding()
    if (producer.open !== null) void this.end(producer, producer.open, 'abort')
    producer.raiseEpoch(() => this.takeProducerId())
    producer.checkNotEnding()
    producer.timeoutMs = request.transactionTimeoutMs
    producer.unsafe = request.unsafeWithoutTransactions
    producer.lastUsedMs = clock.now()
    const identity = producer.identity
    await queue.write([storedId(producer), put.meta('producerId', this.nextProducerId)], { sync: false })
    return identity
  }

  async produce(request: ProduceRequest): Promise<readonly Offset[]> {
    // The bounds are on disk before an offset below them can be seen.
    for (let short = this.shortBounds(request); short.length > 0; short = this.shortBounds(request)) {
      await this.parts.queue.write(
        short.map(({ op }) => op),
        { sync: false },
      )
      for (const { done } of short) done()
    }
    const { transaction, repeated, producer } = this.admit(request)
    if (repeated) {
      const last = transaction.lastProduced
      if (last?.step === request.step) return last.offsets
      throw new AbortableError('OUT_OF_ORDER_SEQUENCE', 'A call of the transaction came too late.')
    }
    const partitions = this.check(transaction, request)
    const nowMs = this.parts.clock.now()
    const offsets = request.batches.map(({ buffer }, at) => {
      const partition = partitions[at]!
      transaction.noteSequence(partition, sequenceOf(buffer))
      return BigInt(partition.append(transaction.runOf(partition), buffer, nowMs))
    })
    transaction.steps += 1
    transaction.lastProduced = { step: request.step, offsets }
    if (producer.unsafe) await this.publishNow(transaction)
    return offsets
  }

  async addOffsets(request: AddOffsetsRequest): Promise<void> {
    const { groups, topics, queue } = this.parts
    const { transaction, repeated, producer } = this.admit(request)
    if (repeated) return
    for (const at of request.offsets) topics.get(at)
    groups.checkOffsetCommit(request.groupId, request.member)
    transaction.steps += 1
    transaction.holdOffsets(groups, request.groupId, request.offsets)
    if (!producer.unsafe) return
    transaction.offsets.clear()
    await queue.write(groups.offsetOps(request.groupId, request.offsets), { sync: true })
    groups.release(request.groupId, request.offsets, true)
  }

  async endTransaction(request: EndTransactionRequest): Promise<void> {
    const outcome = request.commit ? 'commit' : 'abort'
    const producer = this.known(request)
    const transaction = producer.toEnd(request, outcome)
    if (transaction !== null) await this.end(producer, transaction, outcome)
  }

  /** Forgets ids that have not been used for a week. */
  async expireIds(): Promise<void> {
    const before = this.parts.clock.now() - ID_EXPIRY_MS
    const ops: EngineOp[] = []
    for (const [id, producer] of this.producers) {
      if (producer.lastUsedMs >= before || producer.open !== null || producer.ending !== null) continue
      this.producers.delete(id)
      ops.push({ key: keyOf.transactionalId(id), value: null })
    }
    if (ops.length > 0) await this.parts.queue.write(ops, { sync: false })
  }

  stop(): void {
    for (const { open } of this.producers.values()) open?.timeout?.cancel()
  }

  private producerFor(transactionalId: string): TransactionalProducer {
    let producer = this.producers.get(transactionalId)
    if (producer === undefined) {
      const entry = { producerId: this.takeProducerId(), epoch: -1, lastUsedMs: 0 }
      producer = new TransactionalProducer(transactionalId, entry)
      this.producers.set(transactionalId, producer)
    }
    return producer
  }

  private known(call: TransactionStep): TransactionalProducer {
    const producer = this.producers.get(call.transactionalId)
    if (producer !== undefined) return producer
    throw new FencedError(
      'PRODUCER_FENCED',
      `The transactional id ${call.transactionalId} is not known any more.`,
    )
  }

  private takeProducerId(): number {
    this.nextProducerId += 1
    return this.nextProducerId - 1
  }

  private admit(call: TransactionStep): {
    producer: TransactionalProducer
    transaction: OpenTransaction
    repeated: boolean
  } {
    const producer = this.known(call)
    const { transaction, repeated } = producer.admit(call)
    // Begins with the first call, as in Kafka, where the client's begin is not told to the broker.
    transaction.timeout ??= this.parts.clock.schedule(
      producer.timeoutMs,
      () => {
        if (producer.open !== transaction) return
        void this.end(producer, transaction, 'abort')
        producer.raiseEpoch(() => this.takeProducerId(), 'the transaction time-out')
        void this.parts.queue.write([storedId(producer)], { sync: false }).catch(() => undefined)
      },
      { background: true },
    )
    return { producer, transaction, repeated }
  }

  /** All of the request can be appended; answers its partitions. */
  private check(transaction: OpenTransaction, request: ProduceRequest): PartitionLog[] {
    const expected = new Map<PartitionLog, number>()
    return request.batches.map((batch) => {
      const partition = this.parts.topics.get(batch)
      checkBatch(batch.buffer, partition.topic)
      const due = expected.get(partition) ?? transaction.nextSequence(partition)
      const { base, count } = sequenceOf(batch.buffer)
      if (base !== due) {
        throw new AbortableError('OUT_OF_ORDER_SEQUENCE', `A batch begins at ${base} where ${due} was due.`)
      }
      expected.set(partition, base + count)
      return partition
    })
  }

  /** The end bounds that the request would pass, to be raised before. */
  private shortBounds({ batches }: ProduceRequest): { op: EngineOp; done: () => void }[] {
    const counts = new Map<PartitionLog, number>()
    for (const batch of batches) {
      const partition = this.parts.topics.find(batch)
      if (partition === undefined || batch.buffer.length < BATCH_HEADER_BYTES) continue
      counts.set(partition, (counts.get(partition) ?? 0) + sequenceOf(batch.buffer).count)
    }
    return [...counts]
      .filter(([partition, count]) => partition.end + count + 1 > partition.endBound)
      .map(([partition, count]) => raiseBound(partition, partition.end + count + 1 + RESERVED_OFFSETS))
  }

  private async end(
    producer: TransactionalProducer,
    transaction: OpenTransaction,
    outcome: 'commit' | 'abort',
  ): Promise<void> {
    const { groups, markerDelayMs, queue } = this.parts
    producer.decide(transaction, outcome)
    const runs = [...transaction.runs.values()].filter(({ partition }) => !partition.deleted)
    if (markerDelayMs === null) for (const { partition } of runs) partition.takeMarkerOffset()
    const offsets = [...transaction.offsets].map(([groupId, held]) => ({ groupId, held: [...held.values()] }))
    if (outcome === 'commit') {
      const ops = [...this.commitOps(runs, offsets), ...this.useOps(producer)]
      if (ops.length > 0) await queue.write(ops, { sync: true })
    }
    const steps = [
      ...runs.map((run) => () => {
        if (markerDelayMs !== null && !run.partition.deleted) run.partition.takeMarkerOffset()
        this.finish(run, outcome)
      }),
      ...offsets.map(
        ({ groupId, held }) =>
          () =>
            groups.release(
              groupId,
              held.filter((at) => this.exists(at)),
              outcome === 'commit',
            ),
      ),
    ]
    this.takeSteps(steps, () => (producer.ending = null))
  }

  /** Makes the outcome visible place by place, at once or each after its own delay. */
  private takeSteps(steps: readonly (() => void)[], whenAllTaken: () => void): void {
    const { clock, markerDelayMs } = this.parts
    let left = steps.length
    const take = (step: () => void): void => {
      step()
      left -= 1
      if (left === 0) whenAllTaken()
    }
    if (left === 0) whenAllTaken()
    for (const step of steps) {
      if (markerDelayMs === null) take(step)
      else clock.schedule(markerDelayMs(), () => take(step), { background: true })
    }
  }

  private commitOps(
    runs: readonly HeldRun[],
    offsets: readonly { groupId: string; held: readonly PartitionOffset[] }[],
  ): EngineOp[] {
    const ops: EngineOp[] = []
    for (const { partition, batches } of runs) {
      for (const { entry, buffer } of batches) {
        if (entry.last < partition.start) continue
        ops.push(put.data(partition.number, entry.base, buffer))
        ops.push(put.index(partition.number, entry))
      }
    }
    for (const { groupId, held } of offsets) {
      ops.push(
        ...this.parts.groups.offsetOps(
          groupId,
          held.filter((at) => this.exists(at)),
        ),
      )
    }
    return ops
  }

  /** Keeps the stored time of use from falling behind by more than a day. */
  private useOps(producer: TransactionalProducer): EngineOp[] {
    const nowMs = this.parts.clock.now()
    if (nowMs - producer.lastUsedMs < USE_STORED_EVERY_MS) return []
    producer.lastUsedMs = nowMs
    return [storedId(producer)]
  }

  private finish(run: HeldRun, outcome: 'commit' | 'abort'): void {
    const { partition, batches } = run
    if (outcome === 'commit' && !partition.deleted) {
      partition.index.added(batches.map(({ entry }) => entry).filter(({ last }) => last >= partition.start))
      const bytes = batches.reduce((sum, { entry }) => sum + entry.bytes, 0)
      this.parts.onCommitted(partition, bytes)
    }
    partition.finish(run)
    partition.index.trim(partition.lastStable)
  }

  /** Without transactions: what was just appended becomes visible, and takes up no marker. */
  private async publishNow(transaction: OpenTransaction): Promise<void> {
    const runs = [...transaction.runs.values()]
    transaction.runs.clear()
    await this.parts.queue.write(this.commitOps(runs, []), { sync: true })
    for (const run of runs) this.finish(run, 'commit')
  }

  private exists(at: PartitionOffset): boolean {
    return this.parts.topics.find(at) !== undefined
  }
}

function storedId({ transactionalId, producerId, epoch, lastUsedMs }: TransactionalProducer): EngineOp {
  return put.transactionalId(transactionalId, { producerId, epoch, lastUsedMs })
}

/** `done` is to be called when the op is on disk. */
function raiseBound(partition: PartitionLog, bound: number): { op: EngineOp; done: () => void } {
  partition.queuedBound = Math.max(partition.queuedBound, bound)
  const op = put.partition(partition.number, partition.entry())
  return { op, done: () => (partition.endBound = Math.max(partition.endBound, bound)) }
}
