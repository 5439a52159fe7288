import type { Log } from '../../log/log.ts'
import type { SourceRange } from './backfill-record.ts'

/**
 * How far the live application is behind on the sources of a backfill, in offsets over all partitions. Partitions it
 * has never committed count whole.
 */
export async function liveLag(
  log: Log,
  applicationId: string,
  sources: readonly SourceRange[],
): Promise<number> {
  const partitions = sources.map(({ topic, partition }) => ({ topic, partition }))
  const ends = await log.offsets('end', partitions)
  const starts = await log.offsets('start', partitions)
  const committed = await log.committedOffsets(applicationId, partitions)
  return partitions.reduce((lag, _, index) => {
    const behind = ends[index]! - (committed[index] ?? starts[index]!)
    return lag + Number(behind > 0n ? behind : 0n)
  }, 0)
}
