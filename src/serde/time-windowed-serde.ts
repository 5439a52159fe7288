/** Keys of windowed results. */
import { RecordError } from '../errors.ts'
import type { Serde } from './serde.ts'
import { RECORD_UNREADABLE } from './utf8.ts'

/** A key together with its window; `Windowed` of event time has this shape. */
export interface WindowedKey<K> {
  readonly key: K
  readonly window: { readonly startMs: number; readonly endMs: number }
}

const START_BYTES = 8

/**
 * The key's bytes, then the start of its window in 8 bytes, big-endian: as Kafka Streams' `TimeWindowedSerializer`. The
 * end is not written; reading adds `sizeMs` to the start. `RecordError` `RECORD_UNREADABLE` for fewer than 8 bytes.
 */
export function timeWindowedSerde<K>(inner: Serde<K>, sizeMs: number): Serde<WindowedKey<K>> {
  const { lookup } = inner
  return {
    ...(lookup !== undefined && {
      lookup: {
        missing: (buffer, start, end) => lookup.missing(buffer, start, end - START_BYTES),
        fetch: () => lookup.fetch(),
      },
    }),
    name: `windowed ${inner.name}`,
    serialize({ key, window }) {
      const keyBytes = Buffer.from(inner.serialize(key))
      const bytes = Buffer.allocUnsafe(keyBytes.length + START_BYTES)
      keyBytes.copy(bytes)
      bytes.writeBigInt64BE(BigInt(window.startMs), keyBytes.length)
      return bytes
    },
    deserialize(buffer, start, end) {
      if (end - start < START_BYTES) {
        throw new RecordError(
          RECORD_UNREADABLE,
          `windowed key: ${end - start} bytes are too few for a window`,
        )
      }
      const startMs = Number(buffer.readBigInt64BE(end - START_BYTES))
      const key = inner.deserialize(buffer, start, end - START_BYTES)
      return { key, window: { startMs, endMs: startMs + sizeMs } }
    },
  }
}
