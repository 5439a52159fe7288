/** The transactions of one replay or discard. */
import { FatalError, FencedError } from '../../errors.ts'
import type { LogProducer, Offset, OutgoingBatch, PartitionOffset } from '../../log/log.ts'
import { RecordBatchBuilder } from '../../log/record-batch-builder.ts'
import { RecordCollector } from '../../runtime/record-collector.ts'
import { auditBatch, auditTopicSpec, type AuditRecord } from '../audit.ts'
import {
  handledTopic,
  markKey,
  NO_COUNTS,
  parkedTopic,
  readMarks,
  runRecord,
  type HandledMark,
  type HandledMarks,
  type Handling,
  type HandlingCounts,
  type HandlingRun,
} from './handled-marks.ts'
import type { Letter } from './letter.ts'
import { unfinishedRun, type HandlingPlan, type HandlingSpec } from './plan-handling.ts'
import type { Treatment } from './verdict.ts'

/** The group whose positions tell up to where dead letters are dealt with: nothing in front of them is open. */
export function handlingGroup(applicationId: string): string {
  return `${applicationId}.dlq`
}

/**
 * One owner of the handling of a dead-letter topic. Its transactional id is the name of the topic of the marks: whoever
 * opens a session ends the transaction of the one before and reads the marks only then, so no two of them can handle
 * the same letter.
 */
export class HandlingSession {
  readonly marks: HandledMarks
  /** As of the last commit; before the first one as it will be. */
  run: HandlingRun
  /** Letters gathered for the next transaction. */
  pending = 0
  pendingBytes = 0
  private readonly spec: HandlingSpec
  private readonly plan: HandlingPlan
  private readonly producer: LogProducer
  private readonly markPartitions: number
  private readonly collectors = new Map<string, RecordCollector>()
  private marked = new Map<Handling, Letter[]>()
  private positions = new Map<number, Offset>()

  private constructor(
    spec: HandlingSpec,
    plan: HandlingPlan,
    producer: LogProducer,
    opened: { readonly marks: HandledMarks; readonly markPartitions: number },
  ) {
    this.spec = spec
    this.plan = plan
    this.producer = producer
    this.marks = opened.marks
    this.markPartitions = opened.markPartitions
    const { run } = opened.marks
    const same = run?.id === plan.id ? run : unfinishedRun(run, plan.requestText)
    this.run = same ?? newRun(spec, plan)
  }

  /** Makes the topics where they are missing, and takes the work over from whoever has it. */
  static async open(spec: HandlingSpec, plan: HandlingPlan): Promise<HandlingSession> {
    const { log, letterTopic, applicationId, request } = spec
    const { partitions, settings } = plan.letters
    const marks = handledTopic(letterTopic)
    const existing = await log.describeTopics([marks, parkedTopic(letterTopic)])
    const missing = [
      { name: marks, partitions, settings: { cleanup: 'compact' } as const },
      ...(request.maxAttempts === undefined
        ? []
        : [
            {
              name: parkedTopic(letterTopic),
              partitions,
              settings: { maxMessageBytes: settings.maxMessageBytes },
            },
          ]),
    ].filter(({ name }) => !existing.has(name))
    await log.createTopics([...missing, auditTopicSpec(applicationId)])
    const producer = await log.producer({ transactionalId: marks })
    try {
      const markPartitions = (await log.describeTopics([marks])).get(marks)?.partitions ?? partitions
      return new HandlingSession(spec, plan, producer, {
        marks: await readMarks(log, plan.letters, 'end'),
        markPartitions,
      })
    } catch (error) {
      await producer.close()
      throw translated(error, letterTopic)
    }
  }

  /** What the run will have done when what is gathered is committed. */
  get countsAfter(): HandlingCounts {
    const counts = { ...this.run.counts }
    for (const [how, letters] of this.marked) counts[how] += letters.length
    return counts
  }

  /** Gathers what is to be done with a letter for the next transaction. */
  add(letter: Letter, { how, topic, partition, headers, maxBatchBytes }: Treatment): void {
    const { timestampMs, key, value } = letter
    if (how !== 'discarded') {
      const collector = this.collectors.get(topic) ?? new RecordCollector(maxBatchBytes)
      this.collectors.set(topic, collector)
      collector.add(topic, partition, timestampMs, key, value, headers)
      this.pendingBytes += RecordBatchBuilder.recordSizeBound(key, value, headers)
    }
    const letters = this.marked.get(how)
    if (letters === undefined) this.marked.set(how, [letter])
    else letters.push(letter)
    this.pending++
  }

  /** Nothing in front of `offset` is open once the next transaction is committed. */
  moveTo(partition: number, offset: Offset): void {
    this.positions.set(partition, offset)
  }

  /**
   * Commits what was gathered, the marks, how far the run is, and the audit. `FatalError` `WORK_TAKEN_OVER` when
   * another process has taken the work over; `RetriableError`, `AbortableError`, `UnknownOutcomeError`: open a new
   * session.
   */
  async commit(finished: boolean, audit: readonly AuditRecord[]): Promise<void> {
    const { producer, spec } = this
    const run = { ...this.run, counts: this.countsAfter, finished }
    try {
      producer.begin()
      const records = [...this.collectors.values()].flatMap((collector) => collector.take())
      await producer.send([...records, ...this.markBatches(run), ...audit.map(auditBatch)])
      const offsets = this.takePositions()
      if (offsets.length > 0) await producer.addOffsets(handlingGroup(spec.applicationId), offsets)
      await producer.commit()
    } catch (error) {
      throw translated(error, spec.letterTopic)
    }
    this.run = run
    this.marked = new Map()
    this.pending = 0
    this.pendingBytes = 0
  }

  /** Lets go of the log; what was not committed is as if it had never been gathered. */
  close(): Promise<void> {
    return this.producer.close()
  }

  private takePositions(): readonly PartitionOffset[] {
    const { letterTopic: topic } = this.spec
    const offsets = [...this.positions].map(([partition, offset]) => ({ topic, partition, offset }))
    this.positions = new Map()
    return offsets
  }

  private markBatches(run: HandlingRun): readonly OutgoingBatch[] {
    const { spec, plan } = this
    const nowMs = spec.clock.now()
    const builders = new Map<number, RecordBatchBuilder>()
    const builderOf = (partition: number): RecordBatchBuilder => {
      const place = partition % this.markPartitions
      const builder = builders.get(place) ?? new RecordBatchBuilder()
      builders.set(place, builder)
      return builder
    }
    for (const [handling, letters] of this.marked) {
      const { topicId } = plan.letters
      const mark: HandledMark = { formatVersion: 1, topicId, handling, run: run.id, by: spec.by, atMs: nowMs }
      const value = JSON.stringify(mark)
      for (const letter of letters) builderOf(letter.partition).append(nowMs, markKey(letter), value)
    }
    const { key, value } = runRecord(run)
    builderOf(0).append(nowMs, key, value)
    const topic = handledTopic(spec.letterTopic)
    return [...builders].map(([partition, records]) => ({ topic, partition, records }))
  }
}

function newRun(
  { clock, by }: HandlingSpec,
  { id, letters, requestText: request, hash: planHash, ends }: HandlingPlan,
): HandlingRun {
  const begun = { begunAtMs: clock.now(), by, counts: NO_COUNTS, finished: false }
  return {
    formatVersion: 1,
    topicId: letters.topicId,
    id,
    request,
    planHash,
    ends: ends.map(String),
    ...begun,
  }
}

function translated(error: unknown, letterTopic: string): unknown {
  if (!(error instanceof FencedError)) return error
  return new FatalError(
    'WORK_TAKEN_OVER',
    `Another process has begun to handle the dead letters of ${letterTopic}. Nothing is lost: what this one has done ` +
      'is marked, and the other goes on behind it.',
    { cause: error },
  )
}
