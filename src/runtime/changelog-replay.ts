/**
 * Applies a changelog to a task's local state. Later entries of a key replace earlier ones in memory before they are
 * written, so what costs is the number of keys, hardly the number of records; while one window of entries is written,
 * the next is read.
 */
import type { Log, Offset, TopicPartition } from '../log/log.ts'
import { RecordCursor } from '../log/record-cursor.ts'
import type { StateBackend } from '../state/backend.ts'
import { ChangelogWindow } from './changelog-window.ts'

/** A window is written when it has so many keys, or values of so many bytes ... */
const WINDOW_KEYS = 50_000
const WINDOW_BYTES = 16 * 1024 * 1024
/** ... or so many records: after each window the restore tells how far it is, and may be ended. */
const WINDOW_RECORDS = 250_000
const POLL_MS = 200

export interface ReplaySpec {
  readonly log: Log
  readonly backend: StateBackend
  readonly changelog: TopicPartition
  readonly store: string
  readonly from: Offset
  /** Where the position has to come; what lies behind is left alone. */
  readonly end: Offset
  /** The checkpoint to be written with entries that bring the state to `position`. */
  readonly checkpointAt: (position: Offset) => Buffer
  /** Called when the state on disk stands at `position`; what it throws ends the replay. */
  readonly onWritten: (position: Offset) => void
  /** For tests. Default 250,000. */
  readonly windowRecords?: number
}

/** Brings the state from `from` to `end`; resolves with the number of records applied. */
export async function replayChangelog(spec: ReplaySpec): Promise<number> {
  if (spec.from >= spec.end) return 0
  const replay = new Replay(spec)
  try {
    return await replay.run()
  } finally {
    await replay.close()
  }
}

class Replay {
  private readonly spec: ReplaySpec
  private readonly reader
  private readonly cursor = new RecordCursor()
  private window: ChangelogWindow
  private replayed = 0
  private position: Offset
  /** Where the last write ended. */
  private writtenTo: Offset
  /** The write under way. */
  private writing: Promise<void> | undefined

  constructor(spec: ReplaySpec) {
    this.spec = spec
    this.window = new ChangelogWindow(spec.store)
    this.reader = spec.log.reader()
    this.position = spec.from
    this.writtenTo = spec.from
  }

  async run(): Promise<number> {
    const { end, changelog, from } = this.spec
    this.reader.assign(changelog, from)
    while (this.position < end) await this.takeNext()
    if (this.writtenTo < end) await this.write()
    await this.settle()
    return this.replayed
  }

  /** Lets go of the reader; whatever is being written is written. */
  async close(): Promise<void> {
    await this.writing?.catch(() => undefined)
    await this.reader.close()
  }

  private async takeNext(): Promise<void> {
    const { chunks, failures } = await this.reader.poll(POLL_MS)
    const [failure] = failures
    if (failure !== undefined) throw failure.error
    const { end } = this.spec
    for (const { batches, nextOffset } of chunks) {
      this.cursor.reset(batches)
      const last = Number(end)
      while (this.cursor.next() && this.cursor.offsetNumber < last) this.window.take(this.cursor)
      this.position = nextOffset < end ? nextOffset : end
      if (this.isFull) await this.write()
    }
  }

  private get isFull(): boolean {
    const { windowRecords = WINDOW_RECORDS } = this.spec
    const { keys, bytes, records } = this.window
    return keys >= WINDOW_KEYS || bytes >= WINDOW_BYTES || records >= windowRecords
  }

  /** Begins to write what has been gathered, once the write before it is done. */
  private async write(): Promise<void> {
    const { backend, checkpointAt, onWritten, store } = this.spec
    const { window, position } = this
    this.window = new ChangelogWindow(store)
    this.replayed += window.records
    this.writtenTo = position
    await this.settle()
    this.writing = backend.write(window.writes(), checkpointAt(position)).then(() => onWritten(position))
    // Its failure is told by `settle`, not by the process.
    this.writing.catch(() => undefined)
  }

  private async settle(): Promise<void> {
    const { writing } = this
    this.writing = undefined
    await writing
  }
}
