/** The files of an import: what identifies them, and their entries in the order in which they are imported. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { codeOf, ConfigError, FatalError, messageOf } from '../errors.ts'
import { isBadLine } from '../sensors/line-reader.ts'
import { mergeByEventTime } from '../sensors/merge-readings.ts'
import { ReadingFile, type FileEntry, type ReadingFileOptions } from '../sensors/reading-files.ts'
import { sortByEventTime } from '../sensors/sort-readings.ts'

/** A file, and what tells whether it is the same as one that was imported before. */
export interface ImportFile {
  /** As it was named. */
  readonly path: string
  readonly bytes: number
  /** The same for the same content, read with the same options into the same topic. */
  readonly key: string
  /** Differs when the file was changed. */
  readonly version: string
}

/** Readings that are sorted in memory at once, over all files. */
const SORTED_IN_MEMORY = 250_000

/**
 * Reads every file once, to know its content: same content, same key, whatever the file is called. `onRead` hears how
 * many bytes of how many were read. `ConfigError` when one cannot be read or lacks a column.
 *
 * What a file says is fixed by its bytes, the options, and the sensor that it stands for where it names none itself:
 * the sensor of its first reading tells.
 */
export async function identifyFiles(
  paths: readonly string[],
  topic: string,
  options: ReadingFileOptions,
  onRead: (bytes: number, total: number) => void,
): Promise<readonly ImportFile[]> {
  const found = await Promise.all(paths.map(statFile))
  const total = found.reduce((sum, { size }) => sum + size, 0)
  const files: ImportFile[] = []
  let before = 0
  for (const [index, path] of paths.entries()) {
    const { size, version } = found[index] ?? { size: 0, version: '' }
    const content = await hashFile(path, (bytes) => onRead(before + bytes, total))
    before += size
    const { columns, format } = options
    const facts = [content, await firstSensor(path, options), columns ?? null, format ?? null]
    const digest = createHash('sha256').update(JSON.stringify(facts)).digest('hex')
    files.push({ path, bytes: size, version, key: `import/${topic}/${digest}` })
  }
  return files
}

/** `FatalError` `FILE_CHANGED` when a file is not what it was when it was identified. */
export async function checkUnchanged(files: readonly ImportFile[]): Promise<void> {
  for (const { path, version } of files) {
    if ((await statFile(path)).version === version) continue
    throw new FatalError(
      'FILE_CHANGED',
      `${path} was changed while it was read. Import it again when it is complete.`,
    )
  }
}

async function statFile(path: string): Promise<{ size: number; version: string }> {
  let found
  try {
    found = await stat(path)
  } catch (error) {
    throw unreadable(path, error)
  }
  if (found.isDirectory()) throw new ConfigError([`${path}: is a directory, not a file`])
  if (!found.isFile())
    throw new ConfigError([`${path}: is no regular file, which could be read again after a stop`])
  return { size: found.size, version: `${found.ino}/${found.size}/${found.mtimeMs}` }
}

async function hashFile(path: string, onRead: (bytes: number) => void): Promise<string> {
  const hash = createHash('sha256')
  let bytes = 0
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1_048_576 }) as AsyncIterable<Buffer>) {
      hash.update(chunk)
      bytes += chunk.length
      onRead(bytes)
    }
  } catch (error) {
    throw unreadable(path, error)
  }
  return hash.digest('hex')
}

function unreadable(path: string, error: unknown): ConfigError {
  const missing = codeOf(error, '') === 'ENOENT'
  return new ConfigError([`${path}: ${missing ? 'no such file' : messageOf(error)}`])
}

async function firstSensor(path: string, options: ReadingFileOptions): Promise<string> {
  for await (const batch of new ReadingFile(path, options)) {
    for (const entry of batch) if (!isBadLine(entry)) return entry.reading.sensorId
  }
  return ''
}

/** What is left of the files, as one stream. */
export interface OpenedFiles {
  readonly entries: AsyncIterable<readonly FileEntry[]>
  /** Bytes read so far, of all files. */
  bytesRead(): number
}

/**
 * The entries of all files merged by event time, without the first `skip(file)` of each. Sorted first, each file on its
 * own, where that is wanted. The same files, skipped to where a stream stood, go on as that stream would have.
 */
export function openFiles(
  files: readonly ImportFile[],
  options: ReadingFileOptions,
  sort: boolean,
  skip: (file: ImportFile) => number,
): OpenedFiles {
  const readers = files.map(({ path }) => new ReadingFile(path, options))
  const inMemory = Math.max(1_000, Math.floor(SORTED_IN_MEMORY / files.length))
  const streams = files.map((file, index) => {
    const reader = readers[index] as ReadingFile
    return skipEntries(sort ? sortByEventTime(reader, { inMemory }) : reader, skip(file))
  })
  return {
    entries: mergeByEventTime(streams),
    bytesRead: () => readers.reduce((sum, reader) => sum + reader.counts.bytes, 0),
  }
}

async function* skipEntries(
  batches: AsyncIterable<readonly FileEntry[]>,
  count: number,
): AsyncGenerator<readonly FileEntry[]> {
  let left = count
  for await (const batch of batches) {
    const dropped = Math.min(left, batch.length)
    left -= dropped
    if (dropped < batch.length) yield dropped === 0 ? batch : batch.slice(dropped)
  }
}
