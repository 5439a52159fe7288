import { systemClock, systemRandom, type Clock, type Random } from '../../clock.ts'
import { createInMemoryBroker } from './broker.ts'
import { EmbeddedLog } from './embedded-log.ts'

/**
 * A log in memory, for trying things out: all of the embedded log but the disk, and gone with the process.
 * Time and chance are the machine's where they are not given. Several clients of one log need
 * `createInMemoryBroker`.
 */
export function createInMemoryLog(
  options: { readonly clock?: Clock; readonly random?: Random } = {},
): EmbeddedLog {
  const { clock = systemClock, random = systemRandom } = options
  const connection = createInMemoryBroker({ clock, random }).connect()
  // Nothing in memory is damaged by a disk, so checksums tell nothing.
  return new EmbeddedLog({ connection, clock, random, verifyChecksums: false })
}
