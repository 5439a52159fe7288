/** Reads the committed records of a dead-letter topic. */
import { FatalError } from '../../errors.ts'
import type { Log, Offset, TopicDescription } from '../../log/log.ts'
import { RecordCursor } from '../../log/record-cursor.ts'
import { describeLetter, formatPosition, type Letter, type LetterPosition } from './letter.ts'

/** The letters of a partition in `[from, to)`. */
export interface LetterRange {
  readonly partition: number
  readonly from: Offset
  readonly to: Offset
}

const POLL_MS = 500

/** The topic; `FatalError` `TOPIC_UNKNOWN` where there is none. */
export async function describeLetterTopic(log: Log, topic: string): Promise<TopicDescription> {
  const described = (await log.describeTopics([topic])).get(topic)
  if (described !== undefined) return described
  throw new FatalError(
    'TOPIC_UNKNOWN',
    `There is no dead-letter topic ${topic}: nothing has failed yet, or it has another name (--topic).`,
  )
}

/** Everything there is, each partition up to what is committed now, or up to `ends` of an earlier call. */
export async function letterRanges(
  log: Log,
  { name, partitions }: TopicDescription,
  ends?: readonly Offset[],
): Promise<readonly LetterRange[]> {
  const all = Array.from({ length: partitions }, (_, partition) => ({ topic: name, partition }))
  const starts = await log.offsets('start', all)
  const stable = ends ?? (await log.offsets('stable', all))
  return all.map(({ partition }) => {
    const from = starts[partition] ?? 0n
    const to = stable[partition] ?? 0n
    return { partition, from, to: to > from ? to : from }
  })
}

/** The letters of a range, as they are fetched, in order. Ends when the position has reached `to`. */
export async function* readLetters(
  log: Log,
  topic: string,
  { partition, from, to }: LetterRange,
): AsyncGenerator<readonly Letter[]> {
  if (from >= to) return
  const reader = log.reader()
  const cursor = new RecordCursor()
  try {
    reader.assign({ topic, partition }, from)
    for (let position = from; position < to;) {
      const { chunks, failures } = await reader.poll(POLL_MS)
      const [failure] = failures
      if (failure !== undefined) throw failure.error
      for (const { batches, nextOffset } of chunks) {
        const letters: Letter[] = []
        cursor.reset(batches)
        while (cursor.next()) if (cursor.offset < to) letters.push(describeLetter(partition, cursor))
        if (letters.length > 0) yield letters
        position = nextOffset
      }
    }
  } finally {
    await reader.close()
  }
}

/** The letter at a position. `FatalError` `DEAD_LETTER_UNKNOWN` where there is none. */
export async function readLetter(log: Log, topic: TopicDescription, at: LetterPosition): Promise<Letter> {
  const range = (await letterRanges(log, topic)).find(({ partition }) => partition === at.partition)
  const wanted = formatPosition(at)
  if (range === undefined) {
    throw unknown(
      `no dead letter at ${wanted}: ${topic.name} has the partitions 0 to ${topic.partitions - 1}`,
    )
  }
  const { partition, from, to } = range
  if (at.offset >= from && at.offset < to) {
    for await (const letters of readLetters(log, topic.name, {
      partition,
      from: at.offset,
      to: at.offset + 1n,
    })) {
      const found = letters.find(({ offset }) => offset === at.offset)
      if (found !== undefined) return found
    }
  }
  const there =
    from === to ? 'holds none' : `has the offsets ${from} to ${to - 1n}, some of which hold no record`
  throw unknown(`no dead letter at ${wanted}: partition ${partition} of ${topic.name} ${there}`)
}

function unknown(what: string): FatalError {
  return new FatalError('DEAD_LETTER_UNKNOWN', `There is ${what}.`)
}
