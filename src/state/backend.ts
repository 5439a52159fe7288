/**
 * The backend port: where the state of one task is kept between runs. Two adapters: memory and LevelDB; one contract
 * suite.
 */

/** A write or, with `value: null`, a removal. */
export interface BackendWrite {
  readonly key: Buffer
  readonly value: Buffer | null
}

/**
 * The stored state of one task. Keys are ordered by their bytes. Errors: `CorruptedStateError` `STATE_DAMAGED` when
 * what is stored cannot be trusted; system errors (`ENOSPC`, …) pass through.
 */
export interface StateBackend {
  /** The stored value; blocks. For the rare read that memory cannot answer. */
  getSync(key: Buffer): Buffer | undefined
  /** All of `writes` and the checkpoint, or nothing of them. Calls must not overlap. */
  write(writes: readonly BackendWrite[], checkpoint: Buffer): Promise<void>
  /** The checkpoint of the last `write` that is stored; `undefined` when nothing was ever written. */
  checkpoint(): Buffer | undefined
  /** Entries with `from <= key < to` in order, in pages; an end not given is open. */
  scan(from?: Buffer, to?: Buffer): AsyncIterable<readonly (readonly [Buffer, Buffer])[]>
  /** Bytes on disk, roughly; 0 where unknown. */
  approximateBytes(): Promise<number>
  close(): Promise<void>
}

/** The folder of one instance: the states of its tasks by name. Locked while it is held. */
export interface StateDirectory {
  /** For messages. */
  readonly location: string
  /** Opens the state of a task, empty where there is none. `CorruptedStateError` when it is damaged. */
  open(task: string): Promise<StateBackend>
  /** Removes the state of a task, which must be closed. */
  wipe(task: string): Promise<void>
  /** The tasks that have state here, sorted. */
  tasks(): Promise<readonly string[]>
  /** Lets go of the folder. Idempotent. */
  close(): Promise<void>
}
