/** The topics of a broker and their partitions. */
import type { Random } from '../../clock.ts'
import { FatalError } from '../../errors.ts'
import type { TopicDescription, TopicLimits, TopicPartition, TopicSettings, TopicSpec } from '../log.ts'
import { BatchIndex } from './batch-index.ts'
import type { Engine, EngineOp } from './engine.ts'
import { PartitionLog } from './partition-log.ts'
import { keyOf, rangeOf, type TopicEntry } from './storage-layout.ts'
import { put, read } from './stored-entries.ts'
import type { WriteQueue } from './write-queue.ts'

const DEFAULT_SETTINGS: Required<TopicSettings> = {
  cleanup: 'delete',
  retentionMs: -1,
  deleteRetentionMs: 24 * 3_600_000,
  maxMessageBytes: 1_048_588,
  timestampType: 'create',
}

/** One directory on one machine, and no rules about timestamps. */
const LIMITS: TopicLimits = {
  timestampBeforeMaxMs: Infinity,
  timestampAfterMaxMs: Infinity,
  compactsAndDeletes: false,
  replicas: 1,
  minInsyncReplicas: 1,
  brokers: 1,
  mayRead: true,
  mayWrite: true,
}

interface Topic {
  readonly entry: TopicEntry
  readonly partitions: readonly PartitionLog[]
}

/** Knows topics by name; what it changes is written through the queue. */
export class TopicRegistry {
  private readonly engine: Engine
  private readonly queue: WriteQueue
  private readonly random: Random
  private readonly topics = new Map<string, Topic>()
  private nextNumber = 0

  constructor(engine: Engine, queue: WriteQueue, random: Random) {
    this.engine = engine
    this.queue = queue
    this.random = random
  }

  /** Reads what is stored; no records are read. */
  async load(): Promise<void> {
    const key = keyOf.meta('partitionNumber')
    const value = await this.engine.get(key)
    this.nextNumber = value === undefined ? 0 : read.meta({ key, value })
    for (const stored of await this.engine.scan({ ...rangeOf.topics, limit: Number.MAX_SAFE_INTEGER })) {
      const entry = read.topic(stored)
      const keys = partitionsOf(entry).map((partition) => keyOf.partition(entry.firstNumber + partition))
      const states = await this.engine.getMany(keys)
      this.add(
        entry,
        states.map((state, i) => {
          if (state === undefined)
            throw new FatalError('LOG_DAMAGED', `Topic ${entry.name} lacks a partition.`)
          return read.partition({ key: keys[i]!, value: state })
        }),
      )
    }
  }

  async create(specs: readonly TopicSpec[]): Promise<void> {
    const counts = new Map([...this.topics].map(([name, { entry }]) => [name, entry.partitions]))
    for (const spec of specs) check(spec, counts)
    const ops: EngineOp[] = []
    for (const spec of specs) {
      if (this.topics.has(spec.name)) continue
      const entry: TopicEntry = {
        name: spec.name,
        topicId: this.random.uuid(),
        partitions: spec.partitions,
        firstNumber: this.nextNumber,
        settings: { ...DEFAULT_SETTINGS, ...spec.settings },
      }
      this.nextNumber += spec.partitions
      const state = { start: 0, endBound: 0, cleanedTo: 0 }
      this.add(
        entry,
        partitionsOf(entry).map(() => state),
      )
      ops.push(put.topic(entry))
      for (const { number } of this.all(entry.name)) {
        ops.push(put.partition(number, state))
      }
    }
    if (ops.length === 0) return
    ops.push(put.meta('partitionNumber', this.nextNumber))
    await this.queue.write(ops, { sync: false })
  }

  /** Takes the topics away; their data is left as garbage for the cleaner. Answers the partitions that are gone. */
  async delete(names: readonly string[]): Promise<readonly PartitionLog[]> {
    const ops: EngineOp[] = []
    const gone: PartitionLog[] = []
    for (const name of new Set(names)) {
      const topic = this.topics.get(name)
      if (topic === undefined) continue
      this.topics.delete(name)
      ops.push({ key: keyOf.topic(name), value: null })
      for (const partition of topic.partitions) {
        ops.push({ key: keyOf.partition(partition.number), value: null })
        ops.push(put.garbage(partition.number))
        partition.markDeleted()
        gone.push(partition)
      }
    }
    if (ops.length > 0) await this.queue.write(ops, { sync: false })
    return gone
  }

  describe(names: readonly string[]): Map<string, TopicDescription> {
    const described = new Map<string, TopicDescription>()
    for (const name of names) {
      const entry = this.topics.get(name)?.entry
      if (entry === undefined) continue
      const { topicId, partitions, settings } = entry
      described.set(name, { name, topicId, partitions, settings: { ...settings }, limits: LIMITS })
    }
    return described
  }

  names(): string[] {
    return [...this.topics.keys()].sort()
  }

  /** The partitions of one topic, or of all. */
  all(name?: string): readonly PartitionLog[] {
    if (name !== undefined) return this.topics.get(name)?.partitions ?? []
    return [...this.topics.values()].flatMap((topic) => topic.partitions)
  }

  find({ topic, partition }: TopicPartition): PartitionLog | undefined {
    return this.topics.get(topic)?.partitions[partition]
  }

  /** `FatalError` `TOPIC_UNKNOWN` where it does not exist. */
  get(at: TopicPartition): PartitionLog {
    const found = this.find(at)
    if (found !== undefined) return found
    throw new FatalError('TOPIC_UNKNOWN', `There is no partition ${at.partition} of a topic ${at.topic}.`)
  }

  private add(
    entry: TopicEntry,
    states: readonly { start: number; endBound: number; cleanedTo: number }[],
  ): void {
    const partitions = states.map((state, partition) => {
      const index = new BatchIndex(this.engine, entry.firstNumber + partition, state.endBound)
      return new PartitionLog(entry, partition, state, index)
    })
    this.topics.set(entry.name, { entry, partitions })
  }
}

function partitionsOf(entry: TopicEntry): number[] {
  return Array.from({ length: entry.partitions }, (_, partition) => partition)
}

/** `counts`: partitions by topic; the spec's are added. */
function check({ name, partitions }: TopicSpec, counts: Map<string, number>): void {
  if (!/^[A-Za-z0-9._-]{1,249}$/.test(name) || name === '.' || name === '..') {
    throw new FatalError('TOPIC_INVALID', `${JSON.stringify(name)} cannot be a topic name.`)
  }
  if (!Number.isSafeInteger(partitions) || partitions < 1) {
    throw new FatalError('TOPIC_INVALID', `Topic ${name} cannot have ${partitions} partitions.`)
  }
  const existing = counts.get(name) ?? partitions
  if (existing !== partitions) {
    throw new FatalError(
      'TOPIC_PARTITIONS_DIFFER',
      `Topic ${name} has ${existing} partitions, not ${partitions}.`,
    )
  }
  counts.set(name, partitions)
}
