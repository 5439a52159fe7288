/**
 * The one order in which a task with order-dependent operators takes the records of its channels, whatever order they
 * arrived in.
 *
 * A record's **merge time** is the watermark of its channel after it: max(channel watermark before it, its event time
 * minus the allowed out-of-orderness). Records are taken by (merge time, channel number, offset). Merge time plus
 * out-of-orderness is the running maximum of the channel's event time, so this is the order of the running maxima;
 * a record that turns out to be a dead letter does not raise its channel's watermark, so a later merge time may be
 * lower, and the order is still one that every run finds.
 */

/** The merge time of a record. A record without a usable event time (`undefined`) leaves the watermark where it was. */
export function mergeTimeMs(
  watermarkBeforeMs: number,
  eventTimeMs: number | undefined,
  outOfOrdernessMs: number,
): number {
  if (eventTimeMs === undefined) return watermarkBeforeMs
  const after = eventTimeMs - outOfOrdernessMs
  return after > watermarkBeforeMs ? after : watermarkBeforeMs
}

/**
 * Whether the head of channel `channel` may be taken before anything that channel `other` can still deliver, knowing
 * only `other`'s watermark: everything to come has a merge time of at least that.
 */
export function precedesAllOf(
  headMergeTimeMs: number,
  channel: number,
  otherWatermarkMs: number,
  other: number,
): boolean {
  return headMergeTimeMs < otherWatermarkMs || (headMergeTimeMs === otherWatermarkMs && channel < other)
}
