/** Names of the headers that millrace reads and writes. Those of dead letters follow Kafka Streams' KIP-1034. */

/** When a record entered the log, as decimal epoch milliseconds; written by import and generate. */
export const INGESTED_AT = 'ingested-at'

/** Where a record behind a repartition comes from; removed before operators see the headers. */
export const CARRIED = '__millrace.carried'

/** On a result that left its window because of silence instead of event time. */
export const CLOSED_BY = '__millrace.closed-by'

/** Headers of a dead letter, beside those it came with. */
export const DEAD_LETTER = {
  exception: '__streams.errors.exception',
  message: '__streams.errors.message',
  stacktrace: '__streams.errors.stacktrace',
  topic: '__streams.errors.topic',
  partition: '__streams.errors.partition',
  offset: '__streams.errors.offset',
  code: '__millrace.errors.code',
  stage: '__millrace.errors.stage',
  attempt: '__millrace.errors.attempt',
  time: '__millrace.errors.time',
  windowStart: '__millrace.errors.window-start',
  windowEnd: '__millrace.errors.window-end',
  /** Of a value too large to be kept: its SHA-256 and its size; the value is cut. */
  valueSha256: '__millrace.errors.value-sha256',
  valueBytes: '__millrace.errors.value-bytes',
  /** Of a line that could not be imported: its file and its number; it has no partition and no offset. */
  file: '__millrace.errors.file',
  line: '__millrace.errors.line',
} as const

/** Headers of a dead letter that was put back into its source topic, beside its own; those of its failure are gone. */
export const REPLAY = {
  /** Names the replay that did it. */
  id: '__millrace.replay.id',
  /** How often the record was tried before, over all rounds; the next dead letter counts on from here. */
  attempts: '__millrace.replay.attempts',
  /** The dead letter it was: `readings.dlq/0@17`. */
  deadLetter: '__millrace.replay.dead-letter',
} as const

/** Headers of a record in the late side output, beside those it came with. */
export const LATE = {
  reason: '__millrace.late.reason',
  /** The watermark that judged, in epoch milliseconds; `none` before the first record. */
  watermark: '__millrace.late.watermark',
  stage: '__millrace.late.stage',
  /** Starts of the windows it was late for, separated by commas. */
  windows: '__millrace.late.windows',
  topic: '__millrace.late.topic',
  partition: '__millrace.late.partition',
  offset: '__millrace.late.offset',
} as const
