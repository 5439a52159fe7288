/**
 * Several changes in one value: for each `flag (1 byte) | key length (4) | value length (4) | timestamp (8, float64) |
 * key | value`, one behind the other. Flag 1 is a value, 0 a deletion.
 */
const HEADER_BYTES = 17

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

  /** Adds a change; `value` null is a deletion. */
  add(key: Buffer, timestampMs: number, value: Buffer | string | null): void {
    const valueBytes =
      value === null ? 0 : typeof value === 'string' ? Buffer.byteLength(value) : value.length
    this.reserve(HEADER_BYTES + key.length + valueBytes)
    const { buffer, at } = this
    buffer[at] = value === null ? 0 : 1
    buffer.writeUInt32BE(key.length, at + 1)
    buffer.writeUInt32BE(valueBytes, at + 5)
    buffer.writeDoubleBE(timestampMs, at + 9)
    const keyAt = at + HEADER_BYTES
    buffer.set(key, keyAt)
    if (typeof value === 'string') buffer.write(value, keyAt + key.length)
    else if (value !== null) buffer.set(value, keyAt + key.length)
    this.at = keyAt + key.length + valueBytes
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
