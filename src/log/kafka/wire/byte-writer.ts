/** Writes the primitive types of Kafka's protocol, in the compact forms of its flexible versions (KIP-482). */

/** A growing buffer; every method answers the writer itself. */
export class ByteWriter {
  private bytes: Buffer
  private at = 0

  /** `initialBytes`: how large the buffer is at first; it doubles as needed. */
  constructor(initialBytes = 512) {
    this.bytes = Buffer.allocUnsafe(initialBytes)
  }

  /** What was written so far: a view, valid until the next write. */
  written(): Buffer {
    return this.bytes.subarray(0, this.at)
  }

  int8(value: number): this {
    this.reserve(1)
    this.at = this.bytes.writeInt8(value, this.at)
    return this
  }

  int16(value: number): this {
    this.reserve(2)
    this.at = this.bytes.writeInt16BE(value, this.at)
    return this
  }

  int32(value: number): this {
    this.reserve(4)
    this.at = this.bytes.writeInt32BE(value, this.at)
    return this
  }

  int64(value: bigint): this {
    this.reserve(8)
    this.at = this.bytes.writeBigInt64BE(value, this.at)
    return this
  }

  boolean(value: boolean): this {
    return this.int8(value ? 1 : 0)
  }

  /** An unsigned varint: seven bits a byte, lowest first. */
  uvarint(value: number): this {
    this.reserve(5)
    let rest = value
    while (rest > 0x7f) {
      this.bytes[this.at++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    this.bytes[this.at++] = rest
    return this
  }

  /** A compact string: its UTF-8 length plus one, 0 for null. */
  string(value: string | null): this {
    if (value === null) return this.uvarint(0)
    const length = Buffer.byteLength(value)
    this.uvarint(length + 1).reserve(length)
    this.at += this.bytes.write(value, this.at)
    return this
  }

  /** Compact bytes: their length plus one, 0 for null. */
  byteString(value: Uint8Array | null): this {
    return value === null ? this.uvarint(0) : this.uvarint(value.length + 1).raw(value)
  }

  /** A UUID, given as 32 hexadecimal digits. */
  uuid(hex: string): this {
    return this.raw(Buffer.from(hex, 'hex'))
  }

  /** Bytes as they are. */
  raw(value: Uint8Array): this {
    this.reserve(value.length)
    this.bytes.set(value, this.at)
    this.at += value.length
    return this
  }

  /** A compact array: its length plus one, then what `write` writes of each item. */
  array<T>(items: readonly T[], write: (writer: this, item: T) => void): this {
    this.uvarint(items.length + 1)
    for (const item of items) write(this, item)
    return this
  }

  /** An empty section of tagged fields; ends every structure. */
  tags(): this {
    return this.int8(0)
  }

  /** A string of the older encoding: a 16-bit length in front. */
  shortString(value: string): this {
    const text = Buffer.from(value)
    return this.int16(text.length).raw(text)
  }

  /** Bytes of the older encoding: a 32-bit length in front. */
  longBytes(value: Uint8Array): this {
    return this.int32(value.length).raw(value)
  }

  private reserve(count: number): void {
    if (this.at + count <= this.bytes.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.bytes.length * 2, this.at + count))
    this.bytes.copy(larger, 0, 0, this.at)
    this.bytes = larger
  }
}
