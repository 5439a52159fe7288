/**
 * A dead letter as its headers describe it.
 *
 * What lives in `dead-letters/`: reading dead letters and what was done with them, and doing it: putting them back,
 * putting them aside. What never does: making dead letters, which the runtime does, and knowing what is in a record.
 */
import type { Offset } from '../../log/log.ts'
import type { RecordCursor } from '../../log/record-cursor.ts'
import type { RecordHeader } from '../../log/record-batch-builder.ts'
import { DEAD_LETTER } from '../../runtime/header-names.ts'
import { isLegalName } from '../../topology/validation.ts'

/** What a record in a dead-letter topic is. */
export type LetterKind =
  /** A record of a source topic, as it came. */
  | 'record'
  /** A record whose value or key was too large to be kept whole. */
  | 'cut'
  /** A window's result that could not be sent on: it was never in a source topic. */
  | 'result'
  /** A line of a file that could not be imported. */
  | 'line'
  /** Its headers do not say where it comes from, or say something impossible. */
  | 'foreign'

/** Where a letter stands in its dead-letter topic. */
export interface LetterPosition {
  readonly partition: number
  readonly offset: Offset
}

/** A record of a dead-letter topic. Bytes are views of what was fetched. */
export interface Letter extends LetterPosition {
  readonly kind: LetterKind
  /** Of the record, as written: its event time as far as that is known without reading it. */
  readonly timestampMs: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  /** All of them, those of the failure included. */
  readonly headers: readonly RecordHeader[]
  /** Where it comes from; empty topic for a foreign one. A line has no partition and no offset. */
  readonly source: {
    readonly topic: string
    readonly partition: number | undefined
    readonly offset: Offset | undefined
  }
  /** Of the failure; `FOREIGN` for a foreign one, `UNKNOWN` where nothing says. */
  readonly code: string
  readonly stage: string
  readonly exception: string
  readonly message: string
  readonly stacktrace: string
  /** Tries so far, over all rounds; at least 1. */
  readonly attempt: number
  /** When it was given up; `undefined` where nothing says. */
  readonly failedAtMs: number | undefined
}

/** The code under which foreign letters are counted and found. */
export const FOREIGN_CODE = 'FOREIGN'

const PARTITION_DIGITS = 6
/** All safe integers have at most as many digits. */
const NUMBER_DIGITS = 16

/** `2@17`. */
export function formatPosition({ partition, offset }: LetterPosition): string {
  return `${partition}@${offset}`
}

/** Reads `2@17`; `undefined` for anything else. */
export function parsePosition(text: string): LetterPosition | undefined {
  const match = /^(\d{1,6})@(\d{1,16})$/.exec(text)
  if (match === null) return undefined
  const offset = BigInt(match[2]!)
  if (offset > BigInt(Number.MAX_SAFE_INTEGER)) return undefined
  return { partition: Number(match[1]), offset }
}

/**
 * The record at which `cursor` stands. Never throws: what the headers do not say, or say wrongly, makes it foreign. Of
 * headers with the same name the last counts, for a record may have been a dead letter of something else before.
 */
export function describeLetter(partition: number, cursor: RecordCursor): Letter {
  const headers = cursor.headers()
  const texts = new Map(headers.map(({ key, value }) => [key, value?.toString('utf8') ?? '']))
  const said = (name: string): string => texts.get(name) ?? ''
  const whole = (name: string, digits = NUMBER_DIGITS): number | undefined => wholeOf(texts.get(name), digits)
  const source = { topic: said(DEAD_LETTER.topic), partition: whole(DEAD_LETTER.partition, PARTITION_DIGITS) }
  const offset = whole(DEAD_LETTER.offset)
  const attempt = whole(DEAD_LETTER.attempt) ?? 1
  const failedAtMs = whole(DEAD_LETTER.time)
  const numbers = [source.partition, offset, attempt, failedAtMs]
  const isForeign = !isLegalName(source.topic) || numbers.some(Number.isNaN) || attempt < 1
  const none = { topic: '', partition: undefined, offset: undefined }
  return {
    partition,
    offset: cursor.offset,
    timestampMs: cursor.timestampMs,
    key: cursor.key(),
    value: cursor.value(),
    headers,
    kind: isForeign ? 'foreign' : kindOf(texts),
    source: isForeign ? none : { ...source, offset: offset === undefined ? undefined : BigInt(offset) },
    code: isForeign ? FOREIGN_CODE : said(DEAD_LETTER.code) || 'UNKNOWN',
    stage: said(DEAD_LETTER.stage),
    exception: said(DEAD_LETTER.exception),
    message: said(DEAD_LETTER.message),
    stacktrace: said(DEAD_LETTER.stacktrace),
    attempt: isForeign ? 1 : attempt,
    failedAtMs: isForeign ? undefined : failedAtMs,
  }
}

function kindOf(texts: ReadonlyMap<string, string>): LetterKind {
  if (texts.has(DEAD_LETTER.file) || texts.has(DEAD_LETTER.line)) return 'line'
  if (texts.has(DEAD_LETTER.windowStart) || texts.has(DEAD_LETTER.windowEnd)) return 'result'
  return texts.has(DEAD_LETTER.valueBytes) || texts.has(DEAD_LETTER.valueSha256) ? 'cut' : 'record'
}

/** The number; `undefined` where nothing is said, NaN for what is no whole number of at most so many digits. */
function wholeOf(text: string | undefined, digits: number): number | undefined {
  if (text === undefined) return undefined
  if (!/^\d+$/.test(text) || text.length > digits) return NaN
  return Number.isSafeInteger(Number(text)) ? Number(text) : NaN
}
