import { RecordCursor } from '../log/record-cursor.ts'
import type { FetchedChunk } from '../log/log.ts'
import type { InputProgress } from '../time/input-progress.ts'
import type { ChannelEnd, InputChannel } from './input-channel.ts'
import type { InputRecord, RecordOrigin } from './input-record.ts'
import type { RecordReader } from './record-reader.ts'

/** Where a source partition ends in a bounded run. */
export interface SourceEnd extends ChannelEnd {
  readonly position: number
}

/** A source partition as a channel: records are decoded as they are taken, chunk by chunk. */
export class SourceChannel implements InputChannel {
  readonly origin: RecordOrigin
  readonly saidIdle = false
  readonly isWithinSource = false
  readonly state = undefined
  /** How its records are decoded. */
  readonly reader: RecordReader
  private readonly progress: InputProgress
  private readonly cursor = new RecordCursor()
  private readonly chunks: FetchedChunk[] = []
  private current: FetchedChunk | undefined
  private head: InputRecord | undefined
  private next: number
  private end: SourceEnd | undefined
  private waitingBytes = 0
  private arrivedThrough: number

  constructor(origin: RecordOrigin, reader: RecordReader, progress: InputProgress, position: number) {
    this.origin = origin
    this.reader = reader
    this.progress = progress
    this.next = position
    this.arrivedThrough = position
  }

  /** Where fetching goes on: behind the last chunk that was added. */
  get fetchPosition(): number {
    return this.arrivedThrough
  }

  /** Takes what was fetched; chunks come in order and without gaps. */
  add(chunk: FetchedChunk): void {
    this.chunks.push(chunk)
    this.waitingBytes += bytesOf(chunk)
    this.arrivedThrough = Number(chunk.nextOffset)
  }

  /** Nothing at or behind this position belongs to the present run. */
  endAt(end: SourceEnd | undefined): void {
    this.end = end
  }

  get position(): number {
    return this.head?.position ?? this.next
  }

  get reachedEnd(): ChannelEnd | undefined {
    if (this.end === undefined) return undefined
    this.peek()
    return this.position >= this.end.position ? this.end : undefined
  }

  get endArrived(): boolean {
    return this.end !== undefined && this.arrivedThrough >= this.end.position
  }

  get hasSpoken(): boolean {
    return this.peek() !== undefined
  }

  get heldBytes(): number {
    return this.waitingBytes
  }

  peek(): InputRecord | undefined {
    if (this.head !== undefined) return this.head
    for (;;) {
      if (this.current === undefined && !this.openNextChunk()) return undefined
      if (this.cursor.next()) {
        const head = this.reader.readSource(this.origin, this.cursor)
        this.reader.timeRecord(head, this.progress.watermarkMs(this.origin.channel))
        this.head = head
        return head
      }
      // Positions come from the chunk: its tail may be markers, aborted or compacted records.
      this.next = Number(this.current!.nextOffset)
      this.waitingBytes -= bytesOf(this.current!)
      this.current = undefined
    }
  }

  take(succeeded: boolean): void {
    const head = this.head!
    if (succeeded) this.progress.advance(this.origin.channel, head.mergeTimeMs)
    this.next = head.position + 1
    this.head = undefined
  }

  private openNextChunk(): boolean {
    this.current = this.chunks.shift()
    if (this.current === undefined) return false
    this.cursor.reset(this.current.batches)
    return true
  }
}

function bytesOf({ batches }: FetchedChunk): number {
  return batches.end - batches.start
}
