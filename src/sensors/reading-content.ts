import { RecordError, type Serde } from '../index.ts'
import type { Reading } from './reading.ts'

/** What a reading says besides its event id: what a second reading with the same id is compared with. */
export type ReadingContent = Omit<Reading, 'eventId'>

const VERSION = 1
const HEADER_BYTES = 18
const HAS_STATUS = 1
const IS_SYNTHETIC = 2
const SAYS_MEASURED = 4

/**
 * Compact and canonical: version (1 byte) | flags (1) | timestamp (8) | temperature (8) | length of the sensor id (2) |
 * sensor id | status, where there is one. One is kept for every event id that may still come again.
 */
export const readingContentSerde: Serde<ReadingContent> = {
  name: 'reading-content',
  serialize({ sensorId, timestamp, temperature, status, synthetic }) {
    const sensorBytes = Buffer.byteLength(sensorId)
    const statusBytes = status === undefined ? 0 : Buffer.byteLength(status)
    const bytes = Buffer.allocUnsafe(HEADER_BYTES + 2 + sensorBytes + statusBytes)
    bytes[0] = VERSION
    bytes[1] =
      (status === undefined ? 0 : HAS_STATUS) |
      (synthetic === true ? IS_SYNTHETIC : 0) |
      (synthetic === false ? SAYS_MEASURED : 0)
    bytes.writeDoubleBE(timestamp, 2)
    bytes.writeDoubleBE(temperature, 10)
    bytes.writeUInt16BE(sensorBytes, HEADER_BYTES)
    bytes.write(sensorId, HEADER_BYTES + 2)
    if (status !== undefined) bytes.write(status, HEADER_BYTES + 2 + sensorBytes)
    return bytes
  },
  deserialize(buffer, start, end) {
    if (end - start < HEADER_BYTES + 2 || buffer[start] !== VERSION) {
      throw new RecordError('RECORD_UNREADABLE', 'not the content of a reading in format version 1')
    }
    const flags = buffer[start + 1]!
    const sensorEnd = start + HEADER_BYTES + 2 + buffer.readUInt16BE(start + HEADER_BYTES)
    return {
      sensorId: buffer.toString('utf8', start + HEADER_BYTES + 2, sensorEnd),
      timestamp: buffer.readDoubleBE(start + 2),
      temperature: buffer.readDoubleBE(start + 10),
      ...((flags & HAS_STATUS) !== 0 && { status: buffer.toString('utf8', sensorEnd, end) }),
      ...((flags & IS_SYNTHETIC) !== 0 && { synthetic: true }),
      ...((flags & SAYS_MEASURED) !== 0 && { synthetic: false }),
    }
  },
  sizeBound: ({ sensorId, status }) => HEADER_BYTES + 2 + 3 * (sensorId.length + (status?.length ?? 0)),
}
