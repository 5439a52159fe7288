/** State on disk: one LevelDB per task, in `<instance folder>/<task>`; the folder is locked while it is held. */
import { readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { acquireDirectoryLock, type DirectoryLock } from '../directory-lock.ts'
import type { StateBackend, StateDirectory } from './backend.ts'
import { LevelBackend } from './level-backend.ts'

export class LevelStateDirectory implements StateDirectory {
  readonly location: string
  private readonly lock: DirectoryLock
  private readonly openBackends = new Set<StateBackend>()

  private constructor(lock: DirectoryLock) {
    this.location = lock.directory
    this.lock = lock
  }

  /** Takes the folder, made where it is missing; `undefined` while another instance holds it. */
  static async acquire(folder: string): Promise<LevelStateDirectory | undefined> {
    const lock = await acquireDirectoryLock(folder)
    return lock === undefined ? undefined : new LevelStateDirectory(lock)
  }

  /**
   * A folder whose lock somebody else of this process holds for it, as the main thread does for its workers: it
   * outlives a thread that dies, and is the one place that knows what is open.
   */
  static lent(folder: string): LevelStateDirectory {
    return new LevelStateDirectory({ directory: folder, release: () => Promise.resolve() })
  }

  async open(task: string): Promise<StateBackend> {
    const backend = await LevelBackend.open(path.join(this.location, task), () =>
      this.openBackends.delete(backend),
    )
    this.openBackends.add(backend)
    return backend
  }

  async wipe(task: string): Promise<void> {
    await rm(path.join(this.location, task), { recursive: true, force: true })
  }

  async tasks(): Promise<readonly string[]> {
    const found = await readdir(this.location, { withFileTypes: true })
    return found
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
      .sort()
  }

  async close(): Promise<void> {
    await Promise.all([...this.openBackends].map((backend) => backend.close()))
    await this.lock.release()
  }
}
