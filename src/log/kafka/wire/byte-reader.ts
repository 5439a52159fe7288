/** Reads the primitive types of Kafka's protocol, in the compact forms of its flexible versions (KIP-482). */

/** A place in a buffer that moves on with each read. Reading beyond the end throws `RangeError`. */
export class ByteReader {
  readonly buffer: Buffer
  at: number

  constructor(buffer: Buffer, at = 0) {
    this.buffer = buffer
    this.at = at
  }

  int8(): number {
    const value = this.buffer.readInt8(this.at)
    this.at += 1
    return value
  }

  int16(): number {
    const value = this.buffer.readInt16BE(this.at)
    this.at += 2
    return value
  }

  int32(): number {
    const value = this.buffer.readInt32BE(this.at)
    this.at += 4
    return value
  }

  int64(): bigint {
    const value = this.buffer.readBigInt64BE(this.at)
    this.at += 8
    return value
  }

  boolean(): boolean {
    return this.int8() !== 0
  }

  /** An unsigned varint: seven bits a byte, lowest first. */
  uvarint(): number {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = this.buffer.readUInt8(this.at++)
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value >>> 0
      if (shift >= 28) throw new RangeError('a varint has no end')
    }
  }

  string(): string {
    return this.nullableString() ?? ''
  }

  nullableString(): string | null {
    const bytes = this.nullableBytes()
    return bytes === null ? null : bytes.toString('utf8')
  }

  /** A view of the buffer. */
  byteString(): Buffer {
    return this.nullableBytes() ?? this.buffer.subarray(this.at, this.at)
  }

  nullableBytes(): Buffer | null {
    const length = this.uvarint() - 1
    return length < 0 ? null : this.raw(length)
  }

  /** As 32 hexadecimal digits. */
  uuid(): string {
    return this.raw(16).toString('hex')
  }

  array<T>(read: (reader: this) => T): T[] {
    const length = this.uvarint() - 1
    const items: T[] = []
    for (let i = 0; i < length; i += 1) items.push(read(this))
    return items
  }

  /** Passes over tagged fields that nobody here asks for. */
  tags(): this {
    return this.tagged(() => undefined)
  }

  /** Reads the tagged fields for which `read` wants to; it gets a reader of the field's bytes. */
  tagged(read: (tag: number, field: ByteReader) => void): this {
    for (let left = this.uvarint(); left > 0; left -= 1) {
      const tag = this.uvarint()
      const bytes = this.raw(this.uvarint())
      read(tag, new ByteReader(bytes))
    }
    return this
  }

  /** A string of the older encoding: a 16-bit length in front. */
  shortString(): string {
    return this.raw(this.int16()).toString('utf8')
  }

  /** Bytes of the older encoding: a 32-bit length in front; none for null. */
  longBytes(): Buffer {
    return this.raw(Math.max(0, this.int32()))
  }

  /** The next `length` bytes as a view. */
  raw(length: number): Buffer {
    const end = this.at + length
    if (end > this.buffer.length) throw new RangeError(`${length} bytes at ${this.at} lie behind the end`)
    const bytes = this.buffer.subarray(this.at, end)
    this.at = end
    return bytes
  }
}
