/**
 * Whether a record still counts for a window.
 *
 * A record is judged by the watermark of its **own** source partition as it stood before the record, never by what
 * other partitions did; so which records count is fixed by each partition's order alone. The close of a window, which
 * waits for all inputs, can only be ahead of a record's own watermark where a recorded decision (idleness, flush)
 * closed it early.
 */
export type Verdict =
  /** Counts. */
  | 'on-time'
  /** `closesAtMs <= watermarkMs`: its own partition had moved past the window. */
  | 'late'
  /** On time by its own partition, but a recorded decision had closed the window. */
  | 'closed'

/**
 * The verdict for one window. `watermarkMs` is the record's own, before the record; `closedThroughMs` the operator's
 * closed-through time: windows with `closesAtMs` at or below it are closed. Both are `-Infinity` in the beginning.
 */
export function judge(closesAtMs: number, watermarkMs: number, closedThroughMs: number): Verdict {
  if (closesAtMs <= watermarkMs) return 'late'
  return closesAtMs <= closedThroughMs ? 'closed' : 'on-time'
}

/** Why a record went to the late topic. */
export type LateReason =
  /** Behind its own partition's watermark. */
  | 'late'
  /** Its window had been closed while its partition was left out as idle. */
  | 'idle'
  /** Its window had been closed by the flush at the end of a bounded run. */
  | 'flushed'
