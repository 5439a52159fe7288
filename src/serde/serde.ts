/**
 * Bytes to values and back. What lives in `serde/`: the `Serde` port and its implementations (JSON, text,
 * numbers, raw bytes, Avro). What never does: the meaning of a value, I/O on the record path.
 *
 * A serde is synchronous and pure. `null` (a Kafka tombstone) is handled outside: a serde never sees it.
 */
export interface Serde<T> {
  /** For descriptions and error messages, for example `json`. */
  readonly name: string
  /**
   * The canonical encoding: equal values give equal bytes. A string stands for its UTF-8 bytes, which spares
   * a copy. Throws when the value cannot be written.
   */
  serialize(value: T): Buffer | string
  /**
   * Reads the bytes in `[start, end)` of `buffer`, which belongs to the caller and may change later. Throws
   * on bad bytes.
   */
  deserialize(buffer: Buffer, start: number, end: number): T
  /**
   * An upper bound of the encoded size in bytes, cheap to find. Where it is missing, or above the size limit,
   * the value is encoded to know.
   */
  sizeBound?(value: T): number
}
