/**
 * Writes records so that each takes effect once, over kills and repeats: every transaction also writes, into a topic of
 * its own, how far the work has come. Who takes work up again reads that and goes on behind it.
 *
 * Two that do the same work at once: each names its transactional id in the topic before it begins, and whoever comes
 * later fences those who came before, then reads how far they got. So the last to come goes on, the others fail.
 */
import type { Random } from '../clock.ts'
import { AbortableError, FatalError, FencedError, RetriableError, UnknownOutcomeError } from '../errors.ts'
import type { Log, LogProducer, Offset, OutgoingBatch, TopicPartition } from '../log/log.ts'
import { RecordBatchBuilder } from '../log/record-batch-builder.ts'
import { readRange } from '../runtime/commit-log.ts'

/** Holds what was imported and generated so far; compacted. */
export const PROGRESS_TOPIC = 'millrace-imports'

const PLACE: TopicPartition = { topic: PROGRESS_TOPIC, partition: 0 }
const WRITER_SUFFIX = '/writer'
/** How many earlier writers are fenced, the newest: far more than can still be alive. */
const FENCED_MAX = 16

/** What a writer needs. */
export interface WriterSpec {
  readonly log: Log
  readonly random: Random
  /** Names the work in messages: `import of a.csv`. */
  readonly work: string
  /** One for each part of the work that can be repeated on its own. */
  readonly keys: readonly string[]
}

/** One owner of the work; `P` is what it notes of each part, as JSON. */
export class RecordedWriter<P extends object> {
  /** How far each part was when the work was taken over; a part that was never begun is absent. */
  readonly progress: ReadonlyMap<string, P>
  private readonly producer: LogProducer
  private readonly work: string

  private constructor(producer: LogProducer, work: string, progress: ReadonlyMap<string, P>) {
    this.producer = producer
    this.work = work
    this.progress = progress
  }

  /** How far parts of work have come, without taking them over. Parts that were never begun are absent. */
  static async read<P extends object>(log: Log, keys: readonly string[]): Promise<ReadonlyMap<string, P>> {
    const { progress } = await readNotes<P>(log, keys)
    return progress
  }

  /** Takes the work over from whoever has it, and reads how far it has come. */
  static async open<P extends object>({ log, random, work, keys }: WriterSpec): Promise<RecordedWriter<P>> {
    const transactionalId = `millrace-writer-${random.uuid()}`
    const producer = await log.producer({ transactionalId })
    try {
      await log.createTopics([{ name: PROGRESS_TOPIC, partitions: 1, settings: { cleanup: 'compact' } }])
      const before = await readNotes<P>(log, keys)
      for (const writer of [...before.writers.keys()].slice(-FENCED_MAX)) await log.fenceProducer(writer)
      const claimedAt = await claim(producer, keys)
      const then = await readNotes<P>(log, keys)
      for (const [writer, offset] of then.writers) {
        // Those behind this claim fence this one.
        if (offset < claimedAt && !before.writers.has(writer)) await log.fenceProducer(writer)
      }
      const { progress } = await readNotes<P>(log, keys)
      return new RecordedWriter(producer, work, progress)
    } catch (error) {
      await producer.close()
      throw translated(error, work)
    }
  }

  /**
   * Writes the batches and the progress of the parts that moved, in one transaction. `FatalError` `WORK_TAKEN_OVER`
   * when another process has taken the work over; `RetriableError`, `AbortableError`, `UnknownOutcomeError`: take it
   * over again and go on from what is noted.
   */
  async write(batches: readonly OutgoingBatch[], progress: ReadonlyMap<string, P>): Promise<void> {
    const { producer } = this
    const notes = new RecordBatchBuilder(1_024)
    for (const [key, value] of progress) notes.append(0, key, JSON.stringify(value))
    try {
      producer.begin()
      await producer.send([...batches, { ...PLACE, records: notes }])
      await producer.commit()
    } catch (error) {
      throw translated(error, this.work)
    }
  }

  /** Lets go of the log. */
  close(): Promise<void> {
    return this.producer.close()
  }
}

/** Whether taking the work over again and going on from what is noted can help. */
export function mayPass(error: unknown): error is Error {
  return (
    error instanceof RetriableError || error instanceof AbortableError || error instanceof UnknownOutcomeError
  )
}

interface Notes<P> {
  readonly progress: ReadonlyMap<string, P>
  /** Transactional ids that have claimed one of the keys, with the offset of their last claim. */
  readonly writers: ReadonlyMap<string, Offset>
}

async function readNotes<P extends object>(log: Log, keys: readonly string[]): Promise<Notes<P>> {
  const progress = new Map<string, P>()
  const writers = new Map<string, Offset>()
  const described = await log.describeTopics([PROGRESS_TOPIC])
  if (!described.has(PROGRESS_TOPIC)) return { progress, writers }
  const wanted = new Set(keys)
  const [start] = await log.offsets('start', [PLACE])
  // The high watermark: a transaction that was decided but is not visible yet is waited for.
  const [end] = await log.offsets('end', [PLACE])
  await readRange(log, PLACE, start ?? 0n, end ?? 0n, (cursor) => {
    const name = cursor.key()?.toString() ?? ''
    const value = cursor.value()?.toString()
    if (value === undefined) return
    if (wanted.has(name)) progress.set(name, JSON.parse(value) as P)
    const isClaim = name.endsWith(WRITER_SUFFIX) && wanted.has(name.slice(0, -WRITER_SUFFIX.length))
    if (isClaim) writers.set(value, cursor.offset)
  })
  return { progress, writers }
}

async function claim(producer: LogProducer, keys: readonly string[]): Promise<Offset> {
  const records = new RecordBatchBuilder(1_024)
  for (const key of keys) records.append(0, `${key}${WRITER_SUFFIX}`, producer.transactionalId)
  producer.begin()
  const [offset] = await producer.send([{ ...PLACE, records }])
  await producer.commit()
  return offset ?? 0n
}

function translated(error: unknown, work: string): unknown {
  if (!(error instanceof FencedError)) return error
  return new FatalError(
    'WORK_TAKEN_OVER',
    `Another process has taken over the ${work}. Nothing is lost: it goes on where this one stopped.`,
    { cause: error },
  )
}
