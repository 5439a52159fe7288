/** What the commands for dead letters have in common: which letters are meant, and how one is shown. */
import { ConfigError } from '../errors.ts'
import type { HandledMark } from '../jobs/dead-letters/handled-marks.ts'
import { stateOf } from '../jobs/dead-letters/letter-counts.ts'
import type { LetterFilter } from '../jobs/dead-letters/letter-filter.ts'
import {
  formatPosition,
  parsePosition,
  type Letter,
  type LetterPosition,
} from '../jobs/dead-letters/letter.ts'
import { deadLetterTopicOf } from './import-records.ts'
import { offsetAsJson, textOf } from './record-json.ts'
import type { ResolvedSettings } from './resolve-settings.ts'
import type { Settings } from './settings.ts'
import { formatTime, printable } from './text.ts'

/** Settings that say which letters are meant. */
export const LETTER_FILTERS = [
  'code',
  'stage',
  'letterKey',
  'source',
  'partition',
  'header',
  'eventFrom',
  'eventTo',
  'failedFrom',
  'failedTo',
] as const

/** Settings of the filter that contradict each other. */
export function filterProblems({ values }: ResolvedSettings): readonly string[] {
  const { eventFrom, eventTo, failedFrom, failedTo } = values
  const problems: string[] = []
  const isEmpty = (from: number | undefined, to: number | undefined): boolean =>
    from !== undefined && to !== undefined && from >= to
  if (isEmpty(eventFrom, eventTo)) problems.push('--event-from must be earlier than --event-to')
  if (isEmpty(failedFrom, failedTo)) problems.push('--failed-from must be earlier than --failed-to')
  return problems
}

/** The dead-letter topic that is meant. */
export function letterTopicOf({ letterTopic, topic }: Settings): string {
  return letterTopic ?? deadLetterTopicOf(topic)
}

/** The filter as the settings have it; with positions only those. `ConfigError` for what is no position. */
export function filterOf(settings: Settings, args: readonly string[] = []): LetterFilter {
  const { code, stage, letterKey, source, partition, header } = settings
  const { eventFrom, eventTo, failedFrom, failedTo } = settings
  const positions = args.map((arg) => formatPosition(positionOf(arg)))
  return {
    codes: code,
    stages: stage,
    keys: letterKey,
    sources: source,
    partition,
    header,
    eventFromMs: eventFrom,
    eventToMs: eventTo,
    failedFromMs: failedFrom,
    failedToMs: failedTo,
    positions: positions.length === 0 ? undefined : [...new Set(positions)],
  }
}

/** The position that a text names. `ConfigError` where it names none. */
export function positionOf(text: string): LetterPosition {
  const position = parsePosition(text)
  if (position !== undefined) return position
  throw new ConfigError([
    `"${printable(text, 80)}" is no position of a dead letter: write PARTITION@OFFSET, such as 0@17`,
  ])
}

/** Where a letter comes from, for people: `readings/2 at 17`. */
export function sourceText({ source }: Letter): string {
  const { topic, partition, offset } = source
  if (topic === '') return 'unknown'
  if (partition === undefined) return topic
  return offset === undefined ? `${topic}/${partition}` : `${topic}/${partition} at ${offset}`
}

/** Bytes for people: text, or hexadecimal where they are none. */
export function bytesText(bytes: Buffer | null): string {
  if (bytes === null) return 'null'
  return textOf(bytes) ?? `0x${bytes.toString('hex')}`
}

/** A time for people; `unknown` where there is none. */
export function timeText(ms: number | undefined): string {
  return ms === undefined || !isDate(ms) ? 'unknown' : formatTime(ms)
}

/** An offset as JSON's readers keep it. */
export function offsetForJson(offset: bigint): number | string {
  return JSON.parse(offsetAsJson(offset)) as number | string
}

/** A letter for programs, without value, headers and stack. */
export function letterForJson(letter: Letter, mark: HandledMark | undefined): Record<string, unknown> {
  const { source } = letter
  return {
    partition: letter.partition,
    offset: offsetForJson(letter.offset),
    state: stateOf(mark),
    kind: letter.kind,
    code: letter.code,
    stage: letter.stage,
    exception: letter.exception,
    message: letter.message,
    attempt: letter.attempt,
    failedAt: letter.failedAtMs === undefined ? null : timeText(letter.failedAtMs),
    timestamp: letter.timestampMs,
    ...bytesForJson('key', letter.key),
    source: {
      topic: source.topic,
      partition: source.partition ?? null,
      offset: source.offset === undefined ? null : offsetForJson(source.offset),
    },
    ...(mark !== undefined && { handled: { by: mark.by, at: timeText(mark.atMs), run: mark.run } }),
  }
}

/** `{key: text}`, or `{keyBase64: …}` for bytes that are no text. */
export function bytesForJson(name: string, bytes: Buffer | null): Record<string, string | null> {
  if (bytes === null) return { [name]: null }
  const text = textOf(bytes)
  return text === undefined ? { [`${name}Base64`]: bytes.toString('base64') } : { [name]: text }
}

function isDate(ms: number): boolean {
  return Math.abs(ms) <= 8.64e15
}
