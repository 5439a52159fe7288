/** JSON values as UTF-8 text. */
import { messageOf, RecordError } from '../errors.ts'
import { jsonSizeBound, JsonWriter } from './json-writer.ts'
import type { Serde } from './serde.ts'
import { decodeUtf8, RECORD_UNREADABLE } from './utf8.ts'

/** How `jsonSerde` writes. */
export interface JsonSerdeOptions<T> {
  /**
   * The fields of the value in the order in which they are written. Fields that are not named follow, sorted,
   * as the keys of nested objects are: equal values then have equal bytes however they were built.
   */
  readonly fields?: readonly (keyof T & string)[]
}

/**
 * JSON without white space. Fields whose value is `undefined` are left out; `toJSON` is honoured.
 *
 * Without `fields`, objects are written in the order in which their fields were set. That is canonical only
 * where all values are built alike; name the fields wherever bytes are compared or are keys.
 *
 * What JSON would lose or change in silence is refused with `RecordError` `RECORD_UNWRITABLE`, the message
 * telling the place (`$.readings[3].value`): NaN and infinities, a root or array element that is `undefined`,
 * BigInt, lone surrogates, functions, symbols, Map, Set and the like, invalid dates, more than 256 levels (so
 * cycles as well).
 * -0 is written as 0, which equals it.
 *
 * Reading is strict: `RecordError` `RECORD_UNREADABLE` for bytes that are not UTF-8 or not JSON (a byte order
 * mark is not). What was read has no guaranteed shape: `T` is the caller's claim.
 */
export function jsonSerde<T>(options: JsonSerdeOptions<T> = {}): Serde<T> {
  const writer = new JsonWriter(options.fields)
  return {
    name: 'json',
    serialize: (value) => writer.write(value),
    deserialize: (buffer, start, end) => parseJson(decodeUtf8('json', buffer, start, end)) as T,
    sizeBound: jsonSizeBound,
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new RecordError(RECORD_UNREADABLE, `json: ${whyUnreadable(text, error)}`, { cause: error })
  }
}

function whyUnreadable(text: string, error: unknown): string {
  if (text === '') return 'the value is empty'
  if (text.startsWith('\ufeff')) return 'the value begins with a byte order mark'
  return messageOf(error)
}
