/** What is written when a dead letter is put back or parked. */
import type { RecordHeader } from '../../log/record-batch-builder.ts'
import { DEAD_LETTER, REPLAY } from '../../runtime/header-names.ts'
import { formatPosition, type Letter } from './letter.ts'

/** A replay, as the headers of what it writes name it. */
export interface ReplayName {
  readonly id: string
  /** The dead-letter topic. */
  readonly topic: string
}

const FAILURE: ReadonlySet<string> = new Set(Object.values(DEAD_LETTER))
const EARLIER_REPLAY: ReadonlySet<string> = new Set(Object.values(REPLAY))

/**
 * The headers of a record that is put back: those it had when it failed, and those that name the replay. Of the headers
 * of a failure only the last of each name is taken off: earlier ones belong to the record, which was itself read from
 * dead letters. Headers of an earlier replay are replaced.
 */
export function republishedHeaders(letter: Letter, replay: ReplayName): readonly RecordHeader[] {
  const taken = new Set<string>()
  const own = letter.headers.toReversed().filter(({ key }) => {
    if (EARLIER_REPLAY.has(key)) return false
    if (!FAILURE.has(key) || taken.has(key)) return true
    taken.add(key)
    return false
  })
  return [
    ...own.reverse(),
    text(REPLAY.id, replay.id),
    text(REPLAY.attempts, String(letter.attempt)),
    text(REPLAY.deadLetter, `${replay.topic}/${formatPosition(letter)}`),
  ]
}

/** The headers of a letter that is parked: all it has, so that it stays a dead letter, and where it lay before. */
export function parkedHeaders(letter: Letter, replay: ReplayName): readonly RecordHeader[] {
  const place = text(REPLAY.deadLetter, `${replay.topic}/${formatPosition(letter)}`)
  return [...letter.headers.filter(({ key }) => key !== REPLAY.deadLetter), place]
}

function text(key: string, value: string): RecordHeader {
  return { key, value: Buffer.from(value) }
}
