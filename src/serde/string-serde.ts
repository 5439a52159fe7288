/** Text as its UTF-8 bytes, as Kafka's `StringSerializer`, but without loss. */
import { RecordError } from '../errors.ts'
import type { Serde } from './serde.ts'
import { decodeUtf8, isWellFormed, RECORD_UNWRITABLE } from './utf8.ts'

/**
 * Text as UTF-8. The empty string is zero bytes, which is not `null`. `RecordError` `RECORD_UNWRITABLE` for
 * text with a lone surrogate (it has no UTF-8 form, and a replacement would let two keys collide);
 * `RECORD_UNREADABLE` for bytes that are not UTF-8.
 */
export const stringSerde: Serde<string> = {
  name: 'string',
  serialize(value) {
    if (typeof value !== 'string') {
      throw new RecordError(
        RECORD_UNWRITABLE,
        `string: expected text, got ${value === null ? 'null' : typeof value}`,
      )
    }
    if (!isWellFormed(value)) {
      throw new RecordError(RECORD_UNWRITABLE, 'string: the text has a lone surrogate and so no UTF-8 form')
    }
    return value
  },
  deserialize: (buffer, start, end) => decodeUtf8('string', buffer, start, end),
  sizeBound: (value) => (typeof value === 'string' && isWellFormed(value) ? 3 * value.length : Infinity),
}
