/** Several files as one stream in the order of event time. */
import { isBadLine } from './line-reader.ts'
import type { FileEntry } from './reading-files.ts'

const BATCH_SIZE = 1024

/**
 * Merges streams of entries: always the stream goes on whose next reading has the lowest event time, of equal
 * ones the first stream. Each stream keeps its own order, so a reading that is behind in its file is behind
 * in the merge. Bad lines have no time and come as soon as it is their turn in their file.
 *
 * Every stream is started before the first batch comes out, so a file that cannot be read is noticed before
 * anything of the others is used. Memory: one batch of each stream.
 */
export async function* mergeByEventTime(
  streams: readonly AsyncIterable<readonly FileEntry[]>[],
): AsyncGenerator<readonly FileEntry[]> {
  const cursors = streams.map((stream, order) => new Cursor(stream, order))
  try {
    for (const cursor of cursors) await cursor.fill()
    const heap = new CursorHeap(cursors)
    let batch: FileEntry[] = []
    for (let cursor = heap.lowest(); cursor !== undefined; cursor = heap.lowest()) {
      batch.push(cursor.take())
      if (cursor.needsMore) await cursor.fill()
      heap.lowestChanged()
      if (batch.length < BATCH_SIZE) continue
      yield batch
      batch = []
    }
    if (batch.length > 0) yield batch
  } finally {
    for (const cursor of cursors) await cursor.close()
  }
}

/** Where a stream stands. */
class Cursor {
  /** Event time of the next entry; -Infinity for a bad line, Infinity behind the end. */
  timeMs = -Infinity
  readonly order: number
  readonly #batches: AsyncIterator<readonly FileEntry[]>
  #batch: readonly FileEntry[] = []
  #next = 0

  constructor(stream: AsyncIterable<readonly FileEntry[]>, order: number) {
    this.order = order
    this.#batches = stream[Symbol.asyncIterator]()
  }

  /** The next entry is not in memory. */
  get needsMore(): boolean {
    return this.#next >= this.#batch.length
  }

  /** Fetches the next entry, or learns that there is none. */
  async fill(): Promise<void> {
    while (this.needsMore) {
      const answer = await this.#batches.next()
      if (answer.done === true) {
        this.timeMs = Infinity
        return
      }
      this.#batch = answer.value
      this.#next = 0
    }
    this.#lookAhead()
  }

  take(): FileEntry {
    const entry = this.#batch[this.#next++] as FileEntry
    if (!this.needsMore) this.#lookAhead()
    return entry
  }

  /** Lets the stream let go of its file. */
  async close(): Promise<void> {
    await this.#batches.return?.()
  }

  #lookAhead(): void {
    const entry = this.#batch[this.#next] as FileEntry
    this.timeMs = isBadLine(entry) ? -Infinity : entry.reading.timestamp
  }
}

/** A binary heap: the cursor that goes on is at the root. */
class CursorHeap {
  readonly #cursors: Cursor[]

  constructor(cursors: readonly Cursor[]) {
    this.#cursors = [...cursors].sort((a, b) => (goesBefore(a, b) ? -1 : 1))
  }

  /** The cursor to go on with; `undefined` when all are at their end. */
  lowest(): Cursor | undefined {
    const cursor = this.#cursors[0]
    return cursor === undefined || cursor.timeMs === Infinity ? undefined : cursor
  }

  /** The time of the lowest cursor changed: lets it sink to its place. */
  lowestChanged(): void {
    const cursors = this.#cursors
    const sinking = cursors[0] as Cursor
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      const left = cursors[child]
      const right = cursors[child + 1]
      if (left === undefined) break
      if (right !== undefined && goesBefore(right, left)) child++
      const lower = cursors[child] as Cursor
      if (!goesBefore(lower, sinking)) break
      cursors[at] = lower
      at = child
    }
    cursors[at] = sinking
  }
}

function goesBefore(a: Cursor, b: Cursor): boolean {
  return a.timeMs < b.timeMs || (a.timeMs === b.timeMs && a.order < b.order)
}
