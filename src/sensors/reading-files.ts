/**
 * Files of readings: CSV or JSONL, from wherever they come, as a stream in constant memory. Every line that
 * holds something becomes a reading or a bad line; nothing is passed over in silence but empty lines.
 */
import { isBadLine, readLines, type BadLine } from './line-reader.ts'
import { lineInterpreter, type LineOptions, type ReadingLine } from './line-readings.ts'

/** How to read a file. */
export interface ReadingFileOptions extends LineOptions {
  /** Default: JSONL for names that end in `.jsonl`, `.ndjson` or `.json`, else CSV. */
  readonly format?: 'csv' | 'jsonl'
}

/** What a line became. `isBadLine` tells which. */
export type FileEntry = (ReadingLine | BadLine) & {
  /** The path as it was given. */
  readonly file: string
}

/** Counts of one file, as far as it was read. */
export interface ReadingFileCounts {
  readonly readings: number
  readonly badLines: number
  /** Of the file's size. */
  readonly bytes: number
}

/**
 * One file, to be iterated once: batches of entries in file order. A missing event id is derived from sensor,
 * time and temperature (`event-id.ts`). Where neither `sensor` nor a column gives the sensor, it is the
 * file's name without folder and extension.
 *
 * Times are epoch milliseconds or ISO-8601 (`timestamps.ts`). Bad lines have the codes of `parseReading`, of
 * `line-reader.ts` and `csv-records.ts`, or `LINE_NOT_JSON`. An empty file has no entries.
 *
 * `ConfigError` at the first step of the iteration: file missing or not readable, a column missing (the
 * message names those there are), an impossible combination of options.
 */
export class ReadingFile implements AsyncIterable<readonly FileEntry[]> {
  readonly path: string
  readonly #options: ReadingFileOptions
  readonly #counts = { readings: 0, badLines: 0, bytes: 0 }

  constructor(path: string, options: ReadingFileOptions = {}) {
    this.path = path
    this.#options = options
  }

  /** What was read so far. */
  get counts(): ReadingFileCounts {
    return { ...this.#counts }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<readonly FileEntry[]> {
    const format = this.#options.format ?? (/\.(jsonl|ndjson|json)$/i.test(this.path) ? 'jsonl' : 'csv')
    const interpret = lineInterpreter(format, this.path, this.#options)
    const lines = readLines(this.path, (bytes) => (this.#counts.bytes = bytes))
    for await (const batch of lines) yield this.#counted(interpret(batch, false))
    const rest = interpret([], true)
    if (rest.length > 0) yield this.#counted(rest)
  }

  #counted(lines: readonly (ReadingLine | BadLine)[]): readonly FileEntry[] {
    return lines.map((line) => {
      if (isBadLine(line)) this.#counts.badLines++
      else this.#counts.readings++
      return { file: this.path, ...line }
    })
  }
}
