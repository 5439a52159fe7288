import { RecordCursor } from '../log/record-cursor.ts'
import { findHeader } from '../log/record-headers.ts'
import type { FetchedChunk } from '../log/log.ts'
import { assert } from '../assert.ts'
import { decodeCarried, type Carried } from './carried-header.ts'
import { CARRIED } from './header-names.ts'
import type { RecordReader } from './record-reader.ts'
import type { RepartitionChannel } from './repartition-channel.ts'

const CARRIED_BYTES = Buffer.from(CARRIED)

/**
 * One partition of a repartition topic: sorts what is read into the channels of its origins.
 *
 * The position in the partition is the lowest offset that is not taken; channels that are further on pass over what
 * they know when it is read again. When too much waits, the channels that nobody waits for drop what is behind their
 * first item, reading goes on for the one that is awaited, and the dropped items are read again later: a merge never
 * deadlocks on its own buffer.
 */
export class RepartitionInput {
  private readonly channels: readonly RepartitionChannel[]
  /** How its records are decoded. */
  readonly reader: RecordReader
  private readonly maxHeldBytes: number
  private readonly cursor = new RecordCursor()
  private readThrough: number

  /** `channels` by origin number; `position` is where reading begins. */
  constructor(
    channels: readonly RepartitionChannel[],
    reader: RecordReader,
    maxHeldBytes: number,
    position: number,
  ) {
    this.channels = channels
    this.reader = reader
    this.maxHeldBytes = maxHeldBytes
    this.readThrough = position
  }

  add(chunk: FetchedChunk): void {
    const { cursor } = this
    cursor.reset(chunk.batches)
    while (cursor.next()) this.addRecord(cursor)
    this.readThrough = Number(chunk.nextOffset)
    if (this.heldBytes > this.maxHeldBytes) this.dropTails()
  }

  /** Lowest offset that is not taken: where a restart has to begin reading. */
  get position(): number {
    let lowest = this.readThrough
    for (const channel of this.channels) {
      const first = channel.firstWaiting
      if (first !== undefined && first < lowest) lowest = first
    }
    return lowest
  }

  /** Where fetching goes on. */
  get fetchPosition(): number {
    return this.readThrough
  }

  get heldBytes(): number {
    let bytes = 0
    for (const channel of this.channels) bytes += channel.heldBytes
    return bytes
  }

  /** Whether a channel needs what it had dropped. */
  get needsRewind(): boolean {
    return this.channels.some((channel) => channel.needsRewind)
  }

  /**
   * Where reading has to go back to, because a channel needs what it had dropped; `undefined` when nowhere. Asking
   * makes the channels ready to read it again.
   */
  takeRewind(): number | undefined {
    if (!this.needsRewind) return undefined
    let lowest = this.readThrough
    for (const channel of this.channels) {
      if (channel.firstWaiting !== undefined) lowest = Math.min(lowest, channel.firstWaiting)
      channel.rewound()
    }
    this.readThrough = lowest
    return lowest
  }

  private addRecord(cursor: RecordCursor): void {
    const own = cursor.hasHeaders ? findHeader(cursor.buffer, cursor.headersAt, CARRIED_BYTES) : undefined
    assert(own !== undefined, 'every record of a repartition topic carries where it comes from')
    const carried: Carried = decodeCarried(own)
    const channel = this.channels[carried.origin]
    assert(channel !== undefined, 'the origin of a repartition record is known from metadata')
    if (carried.kind !== 'record') {
      channel.add({ marker: carried, readOffset: cursor.offsetNumber })
      return
    }
    if (channel.knows(cursor.offsetNumber)) return
    const record = this.reader.readCarried(channel.origin, carried.position, cursor)
    record.watermarkBeforeMs = carried.watermarkMs
    record.mergeTimeMs = carried.mergeTimeMs
    channel.add(record)
  }

  private dropTails(): void {
    let toFree = this.heldBytes - this.maxHeldBytes / 2
    const largestFirst = [...this.channels].sort((a, b) => b.heldBytes - a.heldBytes)
    for (const channel of largestFirst) {
      if (toFree <= 0) return
      toFree -= channel.dropTail()
    }
  }
}
