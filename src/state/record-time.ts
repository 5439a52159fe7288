/** The time by which stores judge, set by the runtime for each record. */
export interface RecordTime {
  /** Event time of the record being worked: the time of what it writes. */
  readonly timestampMs: number
  /**
   * What expires at or before this is gone for the record: the watermark of its own source partition, or the time
   * through which a decision has closed windows, whichever is later.
   */
  readonly expiredThroughMs: number
}
