/** Bytes as they are. */
import { RecordError } from '../errors.ts'
import type { Serde } from './serde.ts'
import { RECORD_UNWRITABLE } from './utf8.ts'

/**
 * Raw bytes. `serialize` hands on the buffer itself, uncopied: do not change it afterwards. `deserialize`
 * copies, because the bytes it reads belong to the caller.
 */
export const bytesSerde: Serde<Buffer> = {
  name: 'bytes',
  serialize(value) {
    if (!Buffer.isBuffer(value)) {
      throw new RecordError(
        RECORD_UNWRITABLE,
        'bytes: expected a Buffer; wrap other byte arrays with Buffer.from()',
      )
    }
    return value
  },
  deserialize: (buffer, start, end) => Buffer.from(buffer.subarray(start, end)),
  sizeBound: (value) => (Buffer.isBuffer(value) ? value.length : Infinity),
}
