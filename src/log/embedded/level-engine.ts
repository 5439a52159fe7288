/** An engine on LevelDB, in a directory of its own. */
import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { Level } from 'level'
import { codeOf, FatalError, messageOf } from '../../errors.ts'
import type { Engine, EngineEntry, EngineOp, ScanRange } from './engine.ts'

/**
 * LevelDB maps up to `maxOpenFiles` table files into memory, where they count as resident: 64 (its least) of 1 MiB
 * are what reading a large log costs, at no loss of speed. Values are whole record batches, which are compressed, if
 * at all, as such: no compression here, and blocks that are read straight from the mapping do not fill the cache.
 */
const OPTIONS = {
  keyEncoding: 'buffer',
  valueEncoding: 'buffer',
  compression: false,
  maxOpenFiles: 74,
  maxFileSize: 1_048_576,
  writeBufferSize: 4 * 1_048_576,
  cacheSize: 2 * 1_048_576,
} as const

/** What the types of `level` leave out, because browsers do not have it. */
type Database = Level<Buffer, Buffer> & { compactRange(from: Buffer, to: Buffer): Promise<void> }

/** Bytes and entries that one step of a scan brings. */
const SCAN_BYTES = 262_144
const SCAN_ENTRIES = 1000

/**
 * Opens or makes the database. Nobody else may have it open, in this process above all: directory-lock.ts.
 * `FatalError`: `LOG_DAMAGED` when LevelDB's files do not fit together, `LOG_DISK_FULL`, `LOG_DIRECTORY_UNUSABLE`
 * for anything else that keeps it from being opened, `LOG_LOCKED` while another process has it open.
 */
export async function openLevelEngine(directory: string): Promise<Engine> {
  // Without its CURRENT file LevelDB would begin an empty database among the files of the old one.
  if (existsSync(directory) && !existsSync(path.join(directory, 'CURRENT'))) {
    const orphan = readdirSync(directory).find((name) => /\.(ldb|sst)$|^MANIFEST-/.test(name))
    if (orphan !== undefined) {
      throw new FatalError('LOG_DAMAGED', `The log in ${directory} is damaged: its file CURRENT is missing.`)
    }
  }
  const database = new Level<Buffer, Buffer>(directory, OPTIONS) as Database
  try {
    await database.open()
  } catch (error) {
    throw levelError(error instanceof Error && error.cause !== undefined ? error.cause : error, directory)
  }
  return new LevelEngine(database, directory)
}

/** What an error of LevelDB, or of the system below it, means. */
export function levelError(error: unknown, directory: string): FatalError {
  const message = messageOf(error)
  const code = codeOf(error, '')
  const told = (what: string, named: string): FatalError =>
    new FatalError(named, `The log in ${directory} ${what}: ${message}`, { cause: error })
  // A table that is gone, or shorter than the database knows it.
  const torn = code === 'LEVEL_IO_ERROR' && /no such file|invalid argument/i.test(message)
  if (code === 'LEVEL_CORRUPTION' || torn) return told('is damaged', 'LOG_DAMAGED')
  if (code === 'LEVEL_LOCKED') return told('is open in another process', 'LOG_LOCKED')
  if (code === 'ENOSPC' || /no space left|quota exceeded/i.test(message)) {
    return told('cannot grow, the disk is full', 'LOG_DISK_FULL')
  }
  return told('cannot be used', 'LOG_DIRECTORY_UNUSABLE')
}

class LevelEngine implements Engine {
  private readonly database: Database
  private readonly directory: string

  constructor(database: Database, directory: string) {
    this.database = database
    this.directory = directory
  }

  write(ops: readonly EngineOp[], options: { readonly sync: boolean }): Promise<void> {
    const batch = ops.map(({ key, value }) =>
      value === null ? ({ type: 'del', key } as const) : ({ type: 'put', key, value } as const),
    )
    return this.told(this.database.batch(batch, options))
  }

  get(key: Buffer): Promise<Buffer | undefined> {
    return this.told(this.database.get(key, { fillCache: false }))
  }

  getMany(keys: readonly Buffer[]): Promise<readonly (Buffer | undefined)[]> {
    if (keys.length === 0) return Promise.resolve([])
    return this.told(this.database.getMany([...keys], { fillCache: false }))
  }

  async scan({ from, to, limit, reverse }: ScanRange): Promise<readonly EngineEntry[]> {
    const found: EngineEntry[] = []
    const iterator = this.database.iterator({
      gte: from,
      lt: to,
      reverse: reverse ?? false,
      highWaterMarkBytes: SCAN_BYTES,
    })
    for (let ended = false; !ended && found.length < limit;) {
      const size = Math.min(SCAN_ENTRIES, limit - found.length)
      const part = await this.told(iterator.nextv(size))
      let bytes = 0
      for (const [key, value] of part) {
        bytes += key.length + value.length
        found.push({ key, value })
      }
      // Fewer than asked for without having filled the step: that was all.
      ended = part.length === 0 || (part.length < size && bytes < SCAN_BYTES)
    }
    // Not waited for, to spare a round trip; closing the database waits.
    iterator.close().catch(() => undefined)
    return found
  }

  reclaim(from: Buffer, to: Buffer): Promise<void> {
    return this.told(this.database.compactRange(from, to))
  }

  close(): Promise<void> {
    return this.told(this.database.close())
  }

  private async told<T>(work: Promise<T>): Promise<T> {
    try {
      return await work
    } catch (error) {
      throw levelError(error, this.directory)
    }
  }
}
