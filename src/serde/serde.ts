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
   * the value is encoded to know. `Infinity` for a value that `serialize` might refuse: then it is encoded, and
   * refused while what wrote it can still be undone.
   */
  sizeBound?(value: T): number
  /** What reading needs from elsewhere first; missing where bytes are all it takes. */
  readonly lookup?: Lookup
}

/**
 * What bytes name but do not contain, such as the schema they were written with. Reading stays synchronous: the
 * runtime asks `missing` of what it has fetched, and has `fetch` done, before it hands any of it on.
 */
export interface Lookup {
  /**
   * Whether the bytes in `[start, end)` name something that has not been fetched; that is noted for the next
   * `fetch`. Called once for every record: synchronous, cheap, never throws.
   */
  missing(buffer: Buffer, start: number, end: number): boolean
  /**
   * Fetches what was noted. Afterwards `deserialize` either reads the bytes that named it, or throws a `RecordError`
   * because it does not exist or is of no use. `RetriableError` where this cannot be found out now: what is noted
   * stays noted, call again. Any other error is for good.
   */
  fetch(): Promise<void>
}
