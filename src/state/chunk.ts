/**
 * Several changes in one value: for each `flag (1 byte) | key length (4) | value length (4) | timestamp (8, float64) |
 * key | value`, one behind the other. Flag 1 is a value, 0 a deletion.
 */
const HEADER_BYTES = 17
const SHORT_STRING = 48

/** Gathers changes; the buffer is used again after `take`. */
export class ChunkWriter {
  private buffer = Buffer.allocUnsafe(4096)
  private at = 0

  get byteLength(): number {
    return this.at
  }

  get isEmpty(): boolean {
    return this.at === 0
  }

  /** Adds a change; `value` null is a deletion. Strings stand for their UTF-8 bytes. */
  add(key: Buffer | string, timestampMs: number, value: Buffer | string | null): void {
    this.reserve(HEADER_BYTES + boundOf(key) + (value === null ? 0 : boundOf(value)))
    const { buffer, at } = this
    const keyAt = at + HEADER_BYTES
    const valueAt = put(key, buffer, keyAt)
    const end = value === null ? valueAt : put(value, buffer, valueAt)
    buffer[at] = value === null ? 0 : 1
    buffer.writeUInt32BE(valueAt - keyAt, at + 1)
    buffer.writeUInt32BE(end - valueAt, at + 5)
    buffer.writeDoubleBE(timestampMs, at + 9)
    this.at = end
  }

  /** The chunk so far, copied; the writer is empty afterwards. */
  take(): Buffer {
    const chunk = Buffer.from(this.buffer.subarray(0, this.at))
    this.at = 0
    return chunk
  }

  private reserve(bytes: number): void {
    if (this.at + bytes <= this.buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.at + bytes))
    this.buffer.copy(larger, 0, 0, this.at)
    this.buffer = larger
  }
}

function boundOf(bytes: Buffer | string): number {
  return typeof bytes === 'string' ? bytes.length * 3 : bytes.length
}

/** Writes at `at`; the place behind it. */
function put(bytes: Buffer | string, buffer: Buffer, at: number): number {
  if (typeof bytes !== 'string') {
    buffer.set(bytes, at)
    return at + bytes.length
  }
  // For short plain text a loop beats the call into the runtime.
  if (bytes.length <= SHORT_STRING) {
    let index = 0
    for (; index < bytes.length; index++) {
      const code = bytes.charCodeAt(index)
      if (code > 0x7f) break
      buffer[at + index] = code
    }
    if (index === bytes.length) return at + index
  }
  return at + buffer.write(bytes, at)
}

/** Walks over the changes of a chunk: `next`, then the fields tell of the current one. */
export class ChunkReader {
  timestampMs = 0
  keyStart = 0
  keyEnd = 0
  valueStart = 0
  /** -1 for a deletion. */
  valueEnd = -1
  private readonly buffer: Buffer
  private at: number

  constructor(buffer: Buffer, start: number) {
    this.buffer = buffer
    this.at = start
  }

  /** Goes to the next change; false at the end. */
  next(): boolean {
    const { buffer, at } = this
    if (at >= buffer.length) return false
    const keyBytes = buffer.readUInt32BE(at + 1)
    const valueBytes = buffer.readUInt32BE(at + 5)
    this.timestampMs = buffer.readDoubleBE(at + 9)
    this.keyStart = at + HEADER_BYTES
    this.keyEnd = this.keyStart + keyBytes
    this.valueStart = this.keyEnd
    this.at = this.keyEnd + valueBytes
    this.valueEnd = buffer[at] === 0 ? -1 : this.at
    return true
  }
}
