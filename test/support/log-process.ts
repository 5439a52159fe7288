/** Processes that share an embedded log, driven by messages: tests wait for what happens, never for time. */
import { fork, type ChildProcess } from 'node:child_process'
import type { ChildRequest } from './log-child.ts'

interface Waiting {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

export class LogProcess {
  readonly pid: number
  /** Everything it told by itself, in order. */
  readonly progress: Record<string, unknown>[] = []
  readonly exited: Promise<void>

  private readonly child: ChildProcess
  private readonly waiting = new Map<number, Waiting>()
  private readonly watchers = new Set<() => void>()
  private nextId = 0

  /** `program`: the compiled log-child.ts. */
  constructor(program: string) {
    this.child = fork(program, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.pid = this.child.pid ?? -1
    this.exited = new Promise((resolve) => this.child.once('exit', () => resolve()))
    this.child.on(
      'message',
      (message: { id?: number; value?: unknown; error?: unknown; progress?: object }) => {
        if (message.progress !== undefined) {
          this.progress.push(message.progress as Record<string, unknown>)
          for (const watcher of [...this.watchers]) watcher()
          return
        }
        const waiting = this.waiting.get(message.id ?? -1)
        this.waiting.delete(message.id ?? -1)
        if (message.error === undefined) waiting?.resolve(message.value)
        else waiting?.reject(message.error)
      },
    )
  }

  /** What the call answers; errors have name, code and message. */
  call(op: ChildRequest['op'], ...args: unknown[]): Promise<unknown> {
    const id = this.nextId
    this.nextId += 1
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject })
      this.child.send({ id, op, args })
    })
  }

  /** Resolves with the first that was told, or is, for which `wanted` says so. */
  told(wanted: (progress: Record<string, unknown>) => boolean): Promise<Record<string, unknown>> {
    return new Promise((resolve) => {
      const look = (): void => {
        const found = this.progress.find(wanted)
        if (found === undefined) return
        this.watchers.delete(look)
        resolve(found)
      }
      this.watchers.add(look)
      look()
    })
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL')
    await this.exited
  }
}
