/** Puts writes one behind the other, and those that had to wait into one. */
import { FatalError, messageOf } from '../../errors.ts'
import type { Engine, EngineOp } from './engine.ts'

interface Waiting {
  readonly ops: EngineOp[]
  sync: boolean
  readonly done: Promise<void>
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/**
 * Keeps the order of writes and shares one disk flush among all that wait for the one under way. After a write has
 * failed nobody knows what the disk holds: every later one is refused with the same error.
 */
export class WriteQueue {
  /** Why nothing more can be written. */
  failure: FatalError | null = null
  private readonly engine: Engine
  private waiting: Waiting | null = null
  private pumping: Promise<void> | null = null

  constructor(engine: Engine) {
    this.engine = engine
  }

  /** Does all of `ops` or nothing; `FatalError` when that failed, or an earlier write did. */
  write(ops: readonly EngineOp[], options: { readonly sync: boolean }): Promise<void> {
    if (this.failure !== null) return Promise.reject(this.failure)
    const waiting = (this.waiting ??= newWaiting())
    for (const op of ops) waiting.ops.push(op)
    waiting.sync ||= options.sync
    this.pumping ??= this.pump()
    return waiting.done
  }

  /** Resolves when nothing is under way any more. */
  async idle(): Promise<void> {
    while (this.pumping !== null) await this.pumping
  }

  private async pump(): Promise<void> {
    for (let next = this.waiting; next !== null; next = this.waiting) {
      this.waiting = null
      try {
        await this.engine.write(next.ops, { sync: next.sync })
        next.resolve()
      } catch (error) {
        this.fail(error)
        next.reject(this.failure)
      }
    }
    this.pumping = null
  }

  private fail(error: unknown): void {
    this.failure =
      error instanceof FatalError
        ? error
        : new FatalError('LOG_WRITE_FAILED', `The log cannot be written: ${messageOf(error)}`, {
            cause: error,
          })
    const refused = this.waiting as Waiting | null
    this.waiting = null
    refused?.reject(this.failure)
  }
}

function newWaiting(): Waiting {
  let resolve!: () => void
  let reject!: (error: unknown) => void
  const done = new Promise<void>((onDone, onFailure) => {
    resolve = onDone
    reject = onFailure
  })
  // The failure is told to every writer that waits; nobody waiting is no program error.
  done.catch(() => undefined)
  return { ops: [], sync: false, done, resolve, reject }
}
