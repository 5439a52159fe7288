/** Which dead letters are meant. */
import { formatPosition, type Letter } from './letter.ts'

/** All that is given has to fit; a list fits when one of it does. Times are half-open: `[from, to)`. */
export interface LetterFilter {
  readonly codes?: readonly string[] | undefined
  readonly stages?: readonly string[] | undefined
  /** Keys as text: of sensor readings the sensor ids. */
  readonly keys?: readonly string[] | undefined
  /** Topics they come from. */
  readonly sources?: readonly string[] | undefined
  /** Partition of the dead-letter topic. */
  readonly partition?: number | undefined
  /** As `2@17`. */
  readonly positions?: readonly string[] | undefined
  /** By the timestamp of the record. */
  readonly eventFromMs?: number | undefined
  readonly eventToMs?: number | undefined
  /** By when it was given up; one that does not say fits no bound. */
  readonly failedFromMs?: number | undefined
  readonly failedToMs?: number | undefined
  /** Some header of this name has this text. */
  readonly header?: { readonly name: string; readonly value: string } | undefined
}

/** Whether a letter is meant. */
export function isMeant(filter: LetterFilter, letter: Letter): boolean {
  const { header, partition } = filter
  return (
    isOneOf(filter.codes, letter.code) &&
    isOneOf(filter.stages, letter.stage) &&
    isOneOf(filter.sources, letter.source.topic) &&
    (filter.keys === undefined ||
      (letter.key !== null && filter.keys.includes(letter.key.toString('utf8')))) &&
    (partition === undefined || partition === letter.partition) &&
    (filter.positions === undefined || filter.positions.includes(formatPosition(letter))) &&
    isWithin(letter.timestampMs, filter.eventFromMs, filter.eventToMs) &&
    isWithin(letter.failedAtMs, filter.failedFromMs, filter.failedToMs) &&
    (header === undefined ||
      letter.headers.some(
        ({ key, value }) => key === header.name && value?.toString('utf8') === header.value,
      ))
  )
}

/** The same text for filters that mean the same, whatever the order of lists and fields. */
export function canonicalFilter(filter: LetterFilter): string {
  const fields = Object.entries(filter)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]): [string, unknown] => [name, Array.isArray(value) ? [...value].sort() : value])
    .sort(([a], [b]) => (a < b ? -1 : 1))
  return JSON.stringify(Object.fromEntries(fields))
}

function isOneOf(words: readonly string[] | undefined, word: string): boolean {
  return words === undefined || words.includes(word)
}

function isWithin(timeMs: number | undefined, fromMs: number | undefined, toMs: number | undefined): boolean {
  if (fromMs === undefined && toMs === undefined) return true
  if (timeMs === undefined) return false
  return timeMs >= (fromMs ?? -Infinity) && timeMs < (toMs ?? Infinity)
}
