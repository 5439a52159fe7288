/** Entries of a changelog on their way to local state: of each key only the newest. */
import type { RecordCursor } from '../log/record-cursor.ts'
import type { BackendWrite } from '../state/backend.ts'
import { seal } from '../state/envelope.ts'
import { backendPrefix } from '../state/managed-store.ts'

/** The newest entry of a key among those that wait to be written. */
interface Newest {
  /** `null`: removed. The first `length` bytes count; what a longer one left behind them does not. */
  bytes: Buffer | null
  length: number
  timestampMs: number
}

export class ChangelogWindow {
  /** Bytes of values held, roughly. */
  bytes = 0
  /** Records taken. */
  records = 0
  private readonly prefix: Buffer
  /** By the key's bytes as Latin-1: a text of as many characters. */
  private readonly newest = new Map<string, Newest>()

  constructor(store: string) {
    this.prefix = backendPrefix(store)
  }

  /** Keys held. */
  get keys(): number {
    return this.newest.size
  }

  /** Takes the record at which `cursor` stands: no object but for a key that is new to the window. */
  take(cursor: RecordCursor): void {
    this.records++
    const key = cursor.buffer.toString('latin1', cursor.keyStart, cursor.keyEnd)
    let entry = this.newest.get(key)
    if (entry === undefined) {
      entry = { bytes: null, length: 0, timestampMs: 0 }
      this.newest.set(key, entry)
    }
    entry.timestampMs = cursor.timestampMs
    const { valueStart, valueEnd } = cursor
    if (valueEnd < 0) {
      entry.bytes = null
      return
    }
    const length = valueEnd - valueStart
    // A copy: a view would keep the whole chunk in memory. A later value mostly fits where the earlier one was.
    if (entry.bytes === null || entry.bytes.length < length) {
      entry.bytes = Buffer.allocUnsafe(length)
      this.bytes += length
    }
    cursor.buffer.copy(entry.bytes, 0, valueStart, valueEnd)
    entry.length = length
  }

  /** What brings the state to where the last record taken stands. */
  writes(): BackendWrite[] {
    const writes: BackendWrite[] = []
    for (const [text, entry] of this.newest) writes.push(this.writeOf(text, entry))
    return writes
  }

  private writeOf(text: string, { bytes, length, timestampMs }: Newest): BackendWrite {
    const key = Buffer.allocUnsafe(this.prefix.length + text.length)
    this.prefix.copy(key)
    key.write(text, this.prefix.length, 'latin1')
    return { key, value: bytes === null ? null : seal(key, timestampMs, bytes.subarray(0, length)) }
  }
}
