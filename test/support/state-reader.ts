/** Reads and writes state in a child process, and starts another one when one has ended. */
import { fork, type ChildProcess } from 'node:child_process'
import type { Order, Progress, Reading } from './state-reader-child.ts'

export class StateReader {
  private readonly program: string
  private child: ChildProcess | undefined

  /** `program`: the compiled state-reader-child.ts. */
  constructor(program: string) {
    this.program = program
  }

  /** Opens the state in `location` and reads all of it. One call at a time. */
  read(location: string): Promise<Reading> {
    const child = (this.child ??= this.newChild())
    return new Promise((resolve) => {
      const answered = (reading: Reading): void => {
        child.off('exit', ended)
        resolve(reading)
      }
      const ended = (code: number | null, signal: string | null): void => {
        this.child = undefined
        child.off('message', answered)
        resolve({ kind: 'died', message: `the process ended with ${signal ?? code}` })
      }
      child.once('message', answered)
      child.once('exit', ended)
      child.send({ kind: 'read', location } satisfies Order)
    })
  }

  /** Lets a process write to `location`, and kills it when `count` writes are acknowledged; the last of them. */
  writeAndKill(location: string, count: number): Promise<number> {
    const writer = this.newChild()
    return new Promise((resolve) => {
      let last = 0
      writer.on('message', ({ number }: Progress) => {
        last = number
        if (last >= count) writer.kill('SIGKILL')
      })
      writer.once('exit', () => resolve(last))
      writer.send({ kind: 'write', location } satisfies Order)
    })
  }

  close(): void {
    this.child?.kill()
  }

  private newChild(): ChildProcess {
    return fork(this.program, ['state-reader'], { stdio: ['ignore', 'inherit', 'ignore', 'ipc'] })
  }
}
