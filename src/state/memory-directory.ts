/**
 * State in memory, for tests and simulations: a directory object outlives the instance that uses it, as a disk does.
 */
import { assert } from '../assert.ts'
import type { BackendWrite, StateBackend, StateDirectory } from './backend.ts'

const PAGE_ENTRIES = 256

interface StoredTask {
  /** By the key's bytes as latin1 text, whose order is that of the bytes. */
  readonly entries: Map<string, Buffer>
  checkpoint: Buffer | undefined
  open: boolean
}

export class MemoryStateDirectory implements StateDirectory {
  readonly location: string
  private readonly stored = new Map<string, StoredTask>()

  constructor(location = 'memory') {
    this.location = location
  }

  open(task: string): Promise<StateBackend> {
    const stored = this.stored.get(task) ?? {
      entries: new Map<string, Buffer>(),
      checkpoint: undefined,
      open: false,
    }
    this.stored.set(task, stored)
    assert(!stored.open, `the state of task ${task} is opened once`)
    stored.open = true
    return Promise.resolve(new MemoryBackend(stored))
  }

  wipe(task: string): Promise<void> {
    this.stored.delete(task)
    return Promise.resolve()
  }

  tasks(): Promise<readonly string[]> {
    return Promise.resolve([...this.stored.keys()].sort())
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  /** As if the process that had it open were gone: what was written stays, everything can be opened again. */
  abandon(): void {
    for (const task of this.stored.values()) task.open = false
  }
}

class MemoryBackend implements StateBackend {
  private readonly stored: StoredTask

  constructor(stored: StoredTask) {
    this.stored = stored
  }

  getSync(key: Buffer): Buffer | undefined {
    return this.stored.entries.get(key.toString('latin1'))
  }

  write(writes: readonly BackendWrite[], checkpoint: Buffer): Promise<void> {
    for (const { key, value } of writes) {
      if (value === null) this.stored.entries.delete(key.toString('latin1'))
      else this.stored.entries.set(key.toString('latin1'), Buffer.from(value))
    }
    this.stored.checkpoint = Buffer.from(checkpoint)
    return Promise.resolve()
  }

  checkpoint(): Buffer | undefined {
    return this.stored.checkpoint
  }

  async *scan(from?: Buffer, to?: Buffer): AsyncIterable<readonly (readonly [Buffer, Buffer])[]> {
    const first = from?.toString('latin1')
    const end = to?.toString('latin1')
    const keys = [...this.stored.entries.keys()]
      .filter((key) => (first === undefined || key >= first) && (end === undefined || key < end))
      .sort()
    for (let index = 0; index < keys.length; index += PAGE_ENTRIES) {
      const page = keys.slice(index, index + PAGE_ENTRIES)
      yield await Promise.resolve(
        page.map((key) => [Buffer.from(key, 'latin1'), this.stored.entries.get(key)!] as const),
      )
    }
  }

  approximateBytes(): Promise<number> {
    let bytes = 0
    for (const [key, value] of this.stored.entries) bytes += key.length + value.length
    return Promise.resolve(bytes)
  }

  close(): Promise<void> {
    this.stored.open = false
    return Promise.resolve()
  }
}
