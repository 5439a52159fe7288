import { assert } from '../assert.ts'
import type { Serde } from '../serde/serde.ts'
import { compareUtf8 } from '../serde/utf8-order.ts'
import type { KeyCodec } from '../state/codec.ts'

/**
 * A store's keys as texts, from their serde: a serde that writes text gives that text, one that writes bytes gives a
 * text of one character per byte. Either way texts order as the bytes do.
 */
export function keyCodecOf<K>(serde: Serde<K>): KeyCodec<K> {
  let writesText: boolean | undefined
  return {
    toText(key) {
      const written = serde.serialize(key)
      const isText = typeof written === 'string'
      assert(writesText === undefined || writesText === isText, `serde ${serde.name} writes keys one way`)
      writesText = isText
      return isText ? written : written.toString('latin1')
    },
    toBytes: (text) => Buffer.from(text, writesText === false ? 'latin1' : 'utf8'),
    toWritten: (text) => (writesText === false ? Buffer.from(text, 'latin1') : text),
    fromBytes: (bytes) => serde.deserialize(bytes, 0, bytes.length),
    compare: (a, b) => (writesText === false ? compareLatin1(a, b) : compareUtf8(a, b)),
  }
}

function compareLatin1(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
