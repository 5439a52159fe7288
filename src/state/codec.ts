/** How a store turns keys and values into bytes. Handed in by the runtime; stores know no serde. */

export interface ValueCodec<V> {
  /** A string stands for its UTF-8 bytes. */
  serialize(value: V): Buffer | string
  deserialize(buffer: Buffer, start: number, end: number): V
  /** An upper bound of the encoded size, where it can be told cheaply. */
  sizeBound?(value: V): number
}

/** Keys as texts, by which stores look up and order. Different keys have different texts. */
export interface KeyCodec<K> {
  toText(key: K): string
  /** The key's bytes, for changelog and disk. */
  toBytes(text: string): Buffer
  /** The same, as what the serde wrote: a string stands for its UTF-8 bytes, which spares a copy. */
  toWritten(text: string): Buffer | string
  fromBytes(bytes: Buffer): K
  /** Orders texts as the bytes they stand for. */
  compare(a: string, b: string): number
}
