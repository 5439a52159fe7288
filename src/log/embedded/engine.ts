/**
 * What the embedded log needs of a storage engine: an ordered map from bytes to bytes with atomic writes. Keys are
 * compared byte by byte. Two engines: `memory-engine.ts`, `level-engine.ts`.
 *
 * Errors: `FatalError` with the codes `LOG_DISK_FULL`, `LOG_DAMAGED`, `LOG_DIRECTORY_UNUSABLE`.
 */

/** Without a value the key is removed. */
export interface EngineOp {
  readonly key: Buffer
  readonly value: Buffer | null
}

/** What a scan finds. */
export interface EngineEntry {
  readonly key: Buffer
  readonly value: Buffer
}

/** Keys in `[from, to)`. */
export interface ScanRange {
  readonly from: Buffer
  readonly to: Buffer
  /** At most so many entries. */
  readonly limit: number
  /** From the end of the range downward. */
  readonly reverse?: boolean
}

/** See the head of this file. */
export interface Engine {
  /**
   * Does all of `ops` or nothing, later ones over earlier ones. With `sync` it is on disk when the promise resolves;
   * without, it survives the end of the process but not of the machine. Writes are not to be overlapped where their
   * order matters. What is handed over must not change afterwards.
   */
  write(ops: readonly EngineOp[], options: { readonly sync: boolean }): Promise<void>
  get(key: Buffer): Promise<Buffer | undefined>
  /** One answer per key, in that order. The way to read large values. */
  getMany(keys: readonly Buffer[]): Promise<readonly (Buffer | undefined)[]>
  /** For small values: all of them are in memory at once. */
  scan(range: ScanRange): Promise<readonly EngineEntry[]>
  /** Gives the space of removed keys in `[from, to)` back; may do nothing. */
  reclaim(from: Buffer, to: Buffer): Promise<void>
  /** Waits for writes under way. */
  close(): Promise<void>
}
