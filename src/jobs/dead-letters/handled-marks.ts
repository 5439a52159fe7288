/**
 * What was done with dead letters: marks in a compacted topic beside theirs, `<topic>.handled`. A letter without a mark
 * is open.
 *
 * A mark is written in the transaction that put the letter back, parked it or discarded it, so neither is there
 * without the other. The same transaction notes how far the run is, so that the same command goes on with it. Marks
 * name the letter by partition and offset, and the incarnation of its topic: marks of a topic that was deleted mean
 * nothing for a later one of the same name.
 */
import { FatalError, messageOf } from '../../errors.ts'
import type { Log, TopicDescription, TopicPartition } from '../../log/log.ts'
import { readRange } from '../../runtime/commit-log.ts'
import { formatPosition, parsePosition, type LetterPosition } from './letter.ts'

/** What was done with a letter. */
export type Handling = 'replayed' | 'parked' | 'discarded'

/** Says that a letter is dealt with. */
export interface HandledMark {
  readonly formatVersion: 1
  /** Incarnation of the dead-letter topic. */
  readonly topicId: string
  readonly handling: Handling
  /** The replay or discard that did it. */
  readonly run: string
  readonly by: string
  readonly atMs: number
}

/** What a run has done with letters so far. */
export type HandlingCounts = Readonly<Record<Handling, number>>

/** A replay or discard, as the log knows it. */
export interface HandlingRun {
  readonly formatVersion: 1
  readonly topicId: string
  readonly id: string
  /** What was asked for, in one canonical text: the same command has the same. */
  readonly request: string
  /** SHA-256 of the plan. */
  readonly planHash: string
  /** Letters from these offsets on are not of this run, by partition. */
  readonly ends: readonly string[]
  readonly begunAtMs: number
  readonly by: string
  readonly counts: HandlingCounts
  readonly finished: boolean
}

/** Nothing yet. */
export const NO_COUNTS: HandlingCounts = { replayed: 0, parked: 0, discarded: 0 }

const RUN_KEY = 'run'

/** The topic of the marks. */
export function handledTopic(letterTopic: string): string {
  return `${letterTopic}.handled`
}

/** Where letters go that were tried too often. */
export function parkedTopic(letterTopic: string): string {
  return `${letterTopic}.parked`
}

/** The key of a letter's mark. */
export function markKey(at: LetterPosition): string {
  return formatPosition(at)
}

/** The record of the run under way or done last; it is in partition 0. */
export function runRecord(run: HandlingRun): { readonly key: string; readonly value: string } {
  return { key: RUN_KEY, value: JSON.stringify(run) }
}

/** What is known to be handled. */
export class HandledMarks {
  /** The run under way or done last. */
  readonly run: HandlingRun | undefined
  private readonly byPartition: ReadonlyMap<number, ReadonlyMap<number, HandledMark>>

  constructor(
    run: HandlingRun | undefined,
    byPartition: ReadonlyMap<number, ReadonlyMap<number, HandledMark>>,
  ) {
    this.run = run
    this.byPartition = byPartition
  }

  /** The mark of a letter; `undefined` for an open one. */
  of({ partition, offset }: LetterPosition): HandledMark | undefined {
    return this.byPartition.get(partition)?.get(Number(offset))
  }
}

/**
 * The marks of a dead-letter topic. `stable`: what is committed now. `end`: waits for what is decided and not visible
 * yet; for who has just fenced all others. `FatalError` `HANDLED_MARKS_UNREADABLE` for what is no mark: to pass it
 * over could put a letter back twice.
 */
export async function readMarks(
  log: Log,
  letters: TopicDescription,
  until: 'stable' | 'end',
): Promise<HandledMarks> {
  const name = handledTopic(letters.name)
  const described = (await log.describeTopics([name])).get(name)
  const builder = new MarksBuilder(letters.topicId, name)
  for (let partition = 0; partition < (described?.partitions ?? 0); partition++) {
    const place: TopicPartition = { topic: name, partition }
    const [start] = await log.offsets('start', [place])
    const [end] = await log.offsets(until, [place])
    await readRange(log, place, start ?? 0n, end ?? 0n, (cursor) => {
      builder.add(cursor.key()?.toString('utf8') ?? '', cursor.value()?.toString('utf8'))
    })
  }
  return builder.build()
}

class MarksBuilder {
  private readonly topicId: string
  private readonly where: string
  private readonly byPartition = new Map<number, Map<number, HandledMark>>()
  /** The marks of a transaction have the same content: one object for all of them. */
  private readonly known = new Map<string, HandledMark>()
  private run: HandlingRun | undefined

  constructor(topicId: string, where: string) {
    this.topicId = topicId
    this.where = where
  }

  add(key: string, value: string | undefined): void {
    if (key === RUN_KEY) {
      const run = value === undefined ? undefined : this.parse<HandlingRun>(value)
      this.run = run?.topicId === this.topicId ? run : undefined
      return
    }
    const at = parsePosition(key)
    if (at === undefined) throw this.unreadable(`its key is "${key.slice(0, 80)}"`)
    const marks = this.byPartition.get(at.partition) ?? new Map<number, HandledMark>()
    this.byPartition.set(at.partition, marks)
    const mark = value === undefined ? undefined : this.markOf(value)
    if (mark?.topicId === this.topicId) marks.set(Number(at.offset), mark)
    else marks.delete(Number(at.offset))
  }

  build(): HandledMarks {
    return new HandledMarks(this.run, this.byPartition)
  }

  private markOf(value: string): HandledMark {
    const mark = this.known.get(value) ?? this.parse<HandledMark>(value)
    this.known.set(value, mark)
    return mark
  }

  private parse<T extends { readonly formatVersion: 1 }>(value: string): T {
    let parsed: { formatVersion?: unknown } | null
    try {
      parsed = JSON.parse(value) as { formatVersion?: unknown } | null
    } catch (error) {
      throw this.unreadable(messageOf(error))
    }
    if (parsed?.formatVersion !== 1) throw this.unreadable('its format is not that of this version')
    return parsed as T
  }

  private unreadable(why: string): FatalError {
    return new FatalError('HANDLED_MARKS_UNREADABLE', `A record in ${this.where} cannot be read: ${why}.`)
  }
}
