/** What is to be done with each dead letter, and why some cannot be put back. */
import type { TopicDescription } from '../../log/log.ts'
import { partitionForKey } from '../../log/partitioner.ts'
import { RecordBatchBuilder, type RecordHeader } from '../../log/record-batch-builder.ts'
import { isInternalTopic } from '../../runtime/internal-topics.ts'
import { auditTopic } from '../audit.ts'
import { handledTopic, parkedTopic, type HandledMark, type Handling } from './handled-marks.ts'
import type { Letter } from './letter.ts'
import { isMeant, type LetterFilter } from './letter-filter.ts'
import { parkedHeaders, republishedHeaders } from './republication.ts'

/** What is asked for. */
export interface HandlingRequest {
  readonly action: 'replay' | 'discard'
  readonly filter: LetterFilter
  /** A letter that was tried as often is parked instead of put back. */
  readonly maxAttempts: number | undefined
  /** Also what is handled already. */
  readonly again: boolean
}

/** Why a letter that is meant cannot be put back; it stays open. */
export type Refusal =
  /** Its headers do not say where it comes from. */
  | 'foreign'
  /** Its value was too large to be kept whole. */
  | 'cut'
  /** It is a window's result, which was in no source topic. */
  | 'result'
  /** It is a line of a file. */
  | 'line'
  /** It comes from the dead-letter topic itself. */
  | 'loop'
  /** It says that it comes from a topic that only millrace or the log itself writes. */
  | 'protected'
  /** The topic it comes from is gone. */
  | 'source-missing'
  /** The topic it comes from no longer has its partition. */
  | 'partition-missing'
  /** With the headers of the replay the topic would not take it. */
  | 'too-large'

/** Refusals in the order in which they are told, in words. */
export const REFUSALS: Readonly<Record<Refusal, string>> = {
  foreign: 'no dead letters: nothing says where they come from',
  cut: 'too large to have been kept whole',
  result: 'results of windows, which come from no topic',
  line: 'lines of files: mend the file and import it',
  loop: 'from the dead-letter topic itself: they would go round in circles',
  protected: 'said to come from a topic that only the log itself or millrace writes',
  'source-missing': 'from a topic that does not exist',
  'partition-missing': 'from a partition that does not exist',
  'too-large': 'too large for their topic with the headers of a replay',
}

/** What is to be done with a letter. */
export type Verdict =
  /** The filter does not mean it. */
  | { readonly kind: 'not-meant' }
  /** It is handled already. */
  | { readonly kind: 'handled' }
  | { readonly kind: 'refused'; readonly why: Refusal }
  | ({ readonly kind: 'handle' } & Treatment)

/** What is done with a letter: where it goes, with which headers. One that is discarded goes nowhere. */
export interface Treatment {
  readonly how: Handling
  readonly topic: string
  readonly partition: number
  readonly headers: readonly RecordHeader[]
  /** Batches for the topic must not be larger. */
  readonly maxBatchBytes: number
}

/** What exists of the topics that letters name. */
export type KnownTopics = ReadonlyMap<string, TopicDescription>

/** What a judge knows besides the request. */
export interface JudgedPlace {
  readonly letters: TopicDescription
  readonly applicationId: string
  /** What this run has handled it does not handle again, whatever is asked for. */
  readonly runId: string
}

/** What a batch has besides its records, and room for a record's own frame. */
const BATCH_ROOM_BYTES = 1_024

/** Judges letters of one dead-letter topic. */
export class LetterJudge {
  private readonly request: HandlingRequest
  private readonly place: JudgedPlace

  constructor(request: HandlingRequest, place: JudgedPlace) {
    this.request = request
    this.place = place
  }

  /** Whether the topic may be asked for at all: names that no record may be sent to are never looked up. */
  mayBeSource(topic: string): boolean {
    return topic !== '' && topic !== this.place.letters.name && !this.isProtected(topic)
  }

  /** `topics`: what exists of the topics that the letter may name. */
  judge(letter: Letter, mark: HandledMark | undefined, topics: KnownTopics): Verdict {
    const { action, filter, again } = this.request
    if (!isMeant(filter, letter)) return { kind: 'not-meant' }
    if (mark !== undefined && (!again || mark.run === this.place.runId)) return { kind: 'handled' }
    if (action === 'discard') {
      const { name: topic } = this.place.letters
      const { partition } = letter
      return { kind: 'handle', how: 'discarded', topic, partition, headers: [], maxBatchBytes: 0 }
    }
    return this.judgeReplay(letter, topics)
  }

  private judgeReplay(letter: Letter, topics: KnownTopics): Verdict {
    const { kind, source, key, value } = letter
    const { letters, runId } = this.place
    if (kind !== 'record') return refused(kind)
    if (source.topic === letters.name) return refused('loop')
    if (this.isProtected(source.topic)) return refused('protected')
    const topic = topics.get(source.topic)
    if (topic === undefined) return refused('source-missing')
    const partition = source.partition ?? partitionOf(letter, topic.partitions)
    if (partition >= topic.partitions) return refused('partition-missing')
    const { maxAttempts } = this.request
    const replay = { id: runId, topic: letters.name }
    const parks = maxAttempts !== undefined && letter.attempt >= maxAttempts
    const headers = parks ? parkedHeaders(letter, replay) : republishedHeaders(letter, replay)
    const maxBatchBytes = (parks ? letters : topic).settings.maxMessageBytes - BATCH_ROOM_BYTES
    if (RecordBatchBuilder.recordSizeBound(key, value, headers) > maxBatchBytes) return refused('too-large')
    const place = parks
      ? { topic: parkedTopic(letters.name), partition: letter.partition }
      : { topic: topic.name, partition }
    return { kind: 'handle', how: parks ? 'parked' : 'replayed', ...place, headers, maxBatchBytes }
  }

  private isProtected(topic: string): boolean {
    const { letters, applicationId } = this.place
    const own = [handledTopic(letters.name), parkedTopic(letters.name), auditTopic(applicationId)]
    return topic.startsWith('__') || own.includes(topic) || isInternalTopic(applicationId, topic)
  }
}

function refused(why: Refusal): Verdict {
  return { kind: 'refused', why }
}

/** Of a letter that does not say: the partition of its key; without a key, as its place among the letters has it. */
function partitionOf({ key, partition }: Letter, partitions: number): number {
  return key === null ? partition % partitions : partitionForKey(key, partitions)
}
