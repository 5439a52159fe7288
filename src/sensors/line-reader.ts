/** Text files line by line, in batches, in constant memory. */
import { createHash } from 'node:crypto'
import { open, type FileHandle } from 'node:fs/promises'
import { codeOf, ConfigError, messageOf, Serdes } from '../index.ts'

/** A line of text, without its ending. */
export interface TextLine {
  /** Counted from 1. */
  readonly line: number
  readonly text: string
}

/** A line that cannot be used, as it came and with the reason. */
export interface BadLine {
  readonly line: number
  /** The bytes of the line without its ending; of a line over `LINE_SIZE_MAX` only the beginning. */
  readonly raw: Buffer
  /** Why, as a stable name. */
  readonly code: string
  /** Why, for people. */
  readonly message: string
}

/** Whether a line was refused. */
export function isBadLine<T extends object>(line: T | BadLine): line is BadLine {
  return 'raw' in line
}

/** Longest line in bytes; longer ones are bad lines. */
export const LINE_SIZE_MAX = 1_048_576

/** How much of a line that is too long is kept. */
export const KEPT_OF_LONG_LINE = 65_536

const utf8 = Serdes.string()
const BUFFER_SIZE = 65_536
const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d

/**
 * The lines of a UTF-8 file in order, ended by LF or CRLF, the last one by the end of the file. A byte order
 * mark at the start is skipped; empty lines are delivered. `onRead` hears how many bytes were read so far.
 *
 * Bad lines are `LINE_NOT_UTF8` and `LINE_TOO_LONG` (over `LINE_SIZE_MAX`; the message has size and SHA-256).
 * `ConfigError` when the file cannot be opened or is UTF-16.
 */
export async function* readLines(
  path: string,
  onRead?: (bytes: number) => void,
): AsyncGenerator<readonly (TextLine | BadLine)[]> {
  const file = await openFile(path)
  try {
    const lines = new LineBuffer(path)
    for (;;) {
      const read = await readInto(file, lines.space(), path)
      const total = lines.add(read)
      onRead?.(total)
      const batch = lines.take(read === 0)
      if (batch.length > 0) yield batch
      if (read === 0) return
    }
  } finally {
    await file.close()
  }
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    const file = await open(path, 'r')
    if (!(await file.stat()).isDirectory()) return file
    await file.close()
  } catch (error) {
    const missing = codeOf(error, '') === 'ENOENT'
    throw new ConfigError([`${path}: ${missing ? 'no such file' : messageOf(error)}`])
  }
  throw new ConfigError([`${path}: is a directory, not a file`])
}

async function readInto(file: FileHandle, space: Buffer, path: string): Promise<number> {
  try {
    return (await file.read(space, 0, space.length)).bytesRead
  } catch (error) {
    throw new ConfigError([`${path}: ${messageOf(error)}`])
  }
}

/** Cuts what was read into lines. One buffer, reused: everything that leaves is a copy. */
class LineBuffer {
  readonly #path: string
  #buffer = Buffer.allocUnsafe(BUFFER_SIZE)
  /** Unread bytes are `[0, #filled)`; they begin a line, or go on with a too long one. */
  #filled = 0
  #total = 0
  #line = 1
  #long: LongLine | null = null

  constructor(path: string) {
    this.#path = path
  }

  /** Where to read to; never empty. */
  space(): Buffer {
    if (this.#filled === this.#buffer.length) {
      const larger = Buffer.allocUnsafe(2 * this.#buffer.length)
      this.#buffer.copy(larger)
      this.#buffer = larger
    }
    return this.#buffer.subarray(this.#filled)
  }

  /** Notes that `count` bytes were read into `space()`; answers how many there were in all. */
  add(count: number): number {
    if (this.#total === 0) this.#lookAtStart(count)
    else this.#filled += count
    this.#total += count
    return this.#total
  }

  #lookAtStart(count: number): void {
    const start = this.#buffer.subarray(0, count)
    const mark = start.toString('hex', 0, 3)
    if (mark.startsWith('fffe') || mark.startsWith('feff')) {
      throw new ConfigError([`${this.#path}: is UTF-16; save it as UTF-8`])
    }
    const skipped = mark === 'efbbbf' ? 3 : 0
    start.copyWithin(0, skipped)
    this.#filled = count - skipped
  }

  /** All lines that are complete, and at the end what remains. */
  take(atEnd: boolean): (TextLine | BadLine)[] {
    const lines: (TextLine | BadLine)[] = []
    const unread = this.#buffer.subarray(0, this.#filled)
    let start = 0
    for (let end = unread.indexOf(LINE_FEED); end >= 0; end = unread.indexOf(LINE_FEED, start)) {
      lines.push(this.#cut(start, end))
      start = end + 1
    }
    this.#buffer.copyWithin(0, start, this.#filled)
    this.#filled -= start
    if (atEnd && (this.#filled > 0 || this.#long !== null)) lines.push(this.#cut(0, this.#filled))
    else if (this.#long !== null || this.#filled > LINE_SIZE_MAX) this.#skipOn()
    return lines
  }

  /** The line whose bytes, or last bytes, are `[start, end)`. */
  #cut(start: number, end: number): TextLine | BadLine {
    const line = this.#line++
    if (this.#long !== null || end - start > LINE_SIZE_MAX) {
      const long = (this.#long ?? new LongLine()).add(this.#buffer.subarray(start, end))
      this.#long = null
      return long.asBadLine(line)
    }
    const textEnd = end > start && this.#buffer[end - 1] === CARRIAGE_RETURN ? end - 1 : end
    try {
      return { line, text: utf8.deserialize(this.#buffer, start, textEnd) }
    } catch {
      const raw = Buffer.from(this.#buffer.subarray(start, textEnd))
      return { line, raw, code: 'LINE_NOT_UTF8', message: 'the line is not valid UTF-8' }
    }
  }

  /** Lets go of the buffered part of a too long line. */
  #skipOn(): void {
    this.#long = (this.#long ?? new LongLine()).add(this.#buffer.subarray(0, this.#filled))
    this.#filled = 0
  }
}

/** What remains of a line that is too long to be kept. */
class LongLine {
  readonly #hash = createHash('sha256')
  #size = 0
  #beginning: Buffer | null = null

  add(part: Buffer): this {
    this.#beginning ??= Buffer.from(part.subarray(0, KEPT_OF_LONG_LINE))
    this.#hash.update(part)
    this.#size += part.length
    return this
  }

  asBadLine(line: number): BadLine {
    const digest = this.#hash.digest('hex')
    const message = `the line has ${this.#size} bytes, at most ${LINE_SIZE_MAX} are read; SHA-256 ${digest}`
    return { line, raw: this.#beginning ?? Buffer.alloc(0), code: 'LINE_TOO_LONG', message }
  }
}
