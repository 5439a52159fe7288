import { decodeHeaders } from '../log/record-headers.ts'
import type { RecordCursor } from '../log/record-cursor.ts'
import type { Header, RecordContext, StreamRecord } from '../topology/stream-record.ts'
import { CARRIED } from './header-names.ts'

/** Which stage could not work a record, and why. */
export interface StageFailure {
  readonly stage: string
  readonly error: unknown
}

/** Where the records of one channel of a task come from; shared by all of them. */
export interface RecordOrigin {
  /** Number of the channel in its task. */
  readonly channel: number
  /** The source topic and partition; behind a repartition the origin's. */
  readonly topic: string
  readonly partition: number
  readonly isReplay: boolean
}

/** Fills in key and value, or the failure. */
export interface RecordDecoder {
  decode(record: InputRecord): void
}

/**
 * A record as a task takes it from its inputs, decoded, with its bytes as they came. One object per record, and what
 * is seldom asked for is found when asked: this is the most frequent allocation of all.
 */
export class InputRecord implements StreamRecord, RecordContext {
  key: unknown = null
  value: unknown = null
  /** Event time; meaningless where `failure` is set. */
  timestampMs = 0
  /** Set when the record could not be read or has no usable event time. */
  failure: StageFailure | undefined = undefined
  /** The own watermark of its source partition before it. */
  watermarkBeforeMs = -Infinity
  mergeTimeMs = -Infinity
  /** Tries so far. */
  attempt = 1

  readonly origin: RecordOrigin
  /** Offset in its source; of a window result its number. A safe integer. */
  readonly position: number
  /** Offset in the partition that the task read it from. */
  readonly readOffset: number
  /** The timestamp it was written with. */
  readonly writtenTimestampMs: number

  // Views of a chunk that stays in memory as long as this record does; an end of -1 is null.
  readonly buffer: Buffer
  readonly keyStart: number
  readonly keyEnd: number
  readonly valueStart: number
  readonly valueEnd: number
  private readonly headersAt: number
  private decodedHeaders: readonly Header[] | undefined = undefined
  private decoder: RecordDecoder | undefined = undefined

  /** The record at which `cursor` stands. */
  constructor(origin: RecordOrigin, position: number, cursor: RecordCursor) {
    this.origin = origin
    this.position = position
    this.readOffset = cursor.offsetNumber
    this.writtenTimestampMs = cursor.timestampMs
    this.buffer = cursor.buffer
    this.keyStart = cursor.keyStart
    this.keyEnd = cursor.keyEnd
    this.valueStart = cursor.valueStart
    this.valueEnd = cursor.valueEnd
    this.headersAt = cursor.hasHeaders ? cursor.headersAt : -1
  }

  /** Leaves decoding for later: what waits long may be dropped before, and read again. */
  decodeLater(decoder: RecordDecoder): void {
    this.decoder = decoder
  }

  /** Decodes what was left for later. */
  decodeNow(): void {
    const { decoder } = this
    if (decoder === undefined) return
    decoder.decode(this)
    this.decoder = undefined
  }

  get topic(): string {
    return this.origin.topic
  }

  get partition(): number {
    return this.origin.partition
  }

  get offset(): bigint {
    return BigInt(this.position)
  }

  get isReplay(): boolean {
    return this.origin.isReplay
  }

  /** As they came, but for what the runtime added on the way through a repartition. */
  get headers(): readonly Header[] {
    this.decodedHeaders ??=
      this.headersAt < 0
        ? NO_HEADERS
        : decodeHeaders(this.buffer, this.headersAt).filter(({ key }) => key !== CARRIED)
    return this.decodedHeaders
  }

  /** The key's bytes as they came. */
  rawKey(): Buffer | null {
    return this.keyEnd < 0 ? null : this.buffer.subarray(this.keyStart, this.keyEnd)
  }

  /** The value's bytes as they came. */
  rawValue(): Buffer | null {
    return this.valueEnd < 0 ? null : this.buffer.subarray(this.valueStart, this.valueEnd)
  }

  /** Bytes of key and value. */
  get byteLength(): number {
    return Math.max(0, this.keyEnd - this.keyStart) + Math.max(0, this.valueEnd - this.valueStart)
  }
}

const NO_HEADERS: readonly Header[] = []
