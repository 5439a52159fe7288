/** The records that flow through a topology, and what user code may ask about the one being worked. */

/** A header as it came; a key may occur several times. */
export interface Header {
  readonly key: string
  readonly value: Buffer | null
}

/** One record between two operators. Operators make new ones; nobody changes one. */
export interface StreamRecord<K = unknown, V = unknown> {
  readonly key: K
  readonly value: V
  /** Event time, epoch milliseconds. */
  readonly timestampMs: number
  readonly headers: readonly Header[]
}

/** The way operators make records: one class, so that the engine sees one shape on the record path. */
export class FlowRecord<K, V> implements StreamRecord<K, V> {
  readonly key: K
  readonly value: V
  readonly timestampMs: number
  readonly headers: readonly Header[]

  constructor(key: K, value: V, timestampMs: number, headers: readonly Header[]) {
    this.key = key
    this.value = value
    this.timestampMs = timestampMs
    this.headers = headers
  }
}

/** Where the record being worked comes from. Valid only during the call it was handed to. */
export interface RecordContext {
  /** Topic, partition and offset in the source topic, also behind a repartition; of a window result its task's. */
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  readonly timestampMs: number
  readonly headers: readonly Header[]
  /** True in a replay (backfill), where effects outside the log must be withheld. */
  readonly isReplay: boolean
}
