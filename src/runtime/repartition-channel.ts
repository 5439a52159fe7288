import type { InputProgress } from '../time/input-progress.ts'
import type { Carried } from './carried-header.ts'
import type { ChannelEnd, InputChannel, RepartitionChannelState } from './input-channel.ts'
import type { InputRecord, RecordOrigin } from './input-record.ts'

/** A marker as it stands in a repartition partition. */
export interface QueuedMarker {
  readonly marker: Carried
  readonly readOffset: number
}

type QueuedItem = InputRecord | QueuedMarker

/**
 * One origin's records within a repartition partition. They arrive interleaved with those of other origins and wait
 * here until the order, or a decision, lets them be taken.
 */
export class RepartitionChannel implements InputChannel {
  readonly origin: RecordOrigin
  private readonly progress: InputProgress
  private readonly queue: QueuedItem[] = []
  private queueStart = 0
  private sourcePosition: number
  private taken: number
  private ended: ChannelEnd | undefined
  private silent = false
  private withinSource: boolean
  private waitingBytes = 0
  /** Items below this offset are in the queue or taken already: they are passed over when read again. */
  private queuedThrough: number
  /** Items from this offset on were dropped to save memory and have to be read again. */
  private droppedFrom: number | undefined
  private presentRun: number | undefined
  /** The last run whose end marker has arrived, taken or not. */
  private endArrivedOf: number

  constructor(origin: RecordOrigin, progress: InputProgress, state: RepartitionChannelState) {
    this.origin = origin
    this.progress = progress
    this.sourcePosition = state.position
    this.taken = state.takenThrough
    this.queuedThrough = state.takenThrough
    this.endArrivedOf = state.endedRun
    this.withinSource = state.withinSource
    if (state.endedRun > 0) this.ended = { run: state.endedRun, flush: state.endedWithFlush }
  }

  /** An item as read from the partition; one that is known already, or lies behind dropped ones, is passed over. */
  add(item: QueuedItem): void {
    if ('marker' in item && item.marker.run > 0)
      this.endArrivedOf = Math.max(this.endArrivedOf, item.marker.run)
    if (item.readOffset < this.queuedThrough || this.droppedFrom !== undefined) return
    this.queue.push(item)
    this.queuedThrough = item.readOffset + 1
    if (!('marker' in item)) this.waitingBytes += item.byteLength
  }

  /** Whether a record at this offset would be passed over, so that it need not be decoded. */
  knows(readOffset: number): boolean {
    return readOffset < this.queuedThrough || this.droppedFrom !== undefined
  }

  get position(): number {
    const head = this.queue[this.queueStart]
    return head !== undefined && !('marker' in head) ? head.position : this.sourcePosition
  }

  /** The run whose end this channel waits for; an end marker of an earlier run says nothing about it. */
  expectRun(run: number | undefined): void {
    this.presentRun = run
  }

  get reachedEnd(): ChannelEnd | undefined {
    this.peek()
    return this.ended !== undefined && this.ended.run === this.presentRun ? this.ended : undefined
  }

  get endArrived(): boolean {
    return this.presentRun !== undefined && this.endArrivedOf >= this.presentRun
  }

  get saidIdle(): boolean {
    return this.silent
  }

  get hasSpoken(): boolean {
    return this.peek() !== undefined || !this.silent
  }

  get heldBytes(): number {
    return this.waitingBytes
  }

  get isWithinSource(): boolean {
    const head = this.peek()
    return this.withinSource && (head === undefined || head.position < this.sourcePosition)
  }

  get state(): RepartitionChannelState {
    return {
      position: this.sourcePosition,
      takenThrough: this.taken,
      withinSource: this.withinSource,
      endedRun: this.ended?.run ?? 0,
      endedWithFlush: this.ended?.flush ?? false,
    }
  }

  /** Offset of the first item that is not taken; `undefined` when everything read so far is. */
  get firstWaiting(): number | undefined {
    return this.queue[this.queueStart]?.readOffset ?? this.droppedFrom
  }

  /** Whether the next item of this channel was dropped and has to be read again. */
  get needsRewind(): boolean {
    return this.droppedFrom !== undefined && this.queueStart === this.queue.length
  }

  /** Reading has gone back far enough: dropped items come again. An end marker behind them has to arrive once more. */
  rewound(): void {
    if (this.droppedFrom === undefined) return
    this.endArrivedOf = this.ended?.run ?? 0
    this.queuedThrough = this.droppedFrom
    this.droppedFrom = undefined
  }

  /** Gives back the memory of everything but the first item; answers the bytes. */
  dropTail(): number {
    const kept = this.queueStart + 1
    const firstDropped = this.queue[kept]
    if (firstDropped === undefined) return 0
    let bytes = 0
    for (let index = kept; index < this.queue.length; index++) {
      const item = this.queue[index]!
      if (!('marker' in item)) bytes += item.byteLength
    }
    this.queue.length = kept
    this.droppedFrom = firstDropped.readOffset
    this.waitingBytes -= bytes
    return bytes
  }

  peek(): InputRecord | undefined {
    for (;;) {
      const item = this.queue[this.queueStart]
      if (item === undefined) return undefined
      // What lies behind the end of a run waits until the run is over.
      if (this.ended?.flush === true && this.ended.run === this.presentRun) return undefined
      if (!('marker' in item)) {
        this.progress.advance(this.origin.channel, item.watermarkBeforeMs)
        item.decodeNow()
        return item
      }
      this.apply(item)
      this.shift()
    }
  }

  /**
   * The watermark stays: the same source record may have caused a further one, which is judged by the same carried
   * watermark. The next record, or the marker behind them all, moves it.
   */
  take(_succeeded: boolean): void {
    const record = this.queue[this.queueStart] as InputRecord
    this.waitingBytes -= record.byteLength
    this.sourcePosition = record.position + 1
    this.taken = record.readOffset + 1
    this.silent = false
    this.withinSource = true
    this.shift()
  }

  private apply({ marker, readOffset }: QueuedMarker): void {
    this.progress.advance(this.origin.channel, marker.watermarkMs)
    this.sourcePosition = Math.max(this.sourcePosition, marker.position)
    this.taken = readOffset + 1
    this.withinSource = false
    if (marker.kind === 'watermark') this.silent = false
    if (marker.kind === 'idle') this.silent = true
    if (marker.kind === 'end') this.ended = { run: marker.run, flush: false }
    if (marker.kind === 'end-with-flush') this.ended = { run: marker.run, flush: true }
  }

  private shift(): void {
    this.queueStart++
    // Taken items are let go in blocks: shifting an array one by one copies it each time.
    if (this.queueStart > 256 && this.queueStart * 2 > this.queue.length) {
      this.queue.splice(0, this.queueStart)
      this.queueStart = 0
    }
  }
}
