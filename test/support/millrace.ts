/** The program as a person or another program uses it: started as a process, in a folder of the test's own. */
import { spawn, type ChildProcess } from 'node:child_process'
import path from 'node:path'
import { afterAll } from 'vitest'

/** The program file. */
export const PROGRAM = path.resolve(import.meta.dirname, '../../bin/millrace.mjs')

export interface Ended {
  /** `null` when a signal ended it. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  /** Where it is started; `.millrace` is made there. */
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>>
  /** What it reads on stdin; the end of file at once by default. */
  readonly input?: string
}

/** A process that is running. */
export class RunningMillrace {
  stdout = ''
  stderr = ''
  readonly ended: Promise<Ended>
  private readonly child: ChildProcess
  private readonly watchers = new Set<() => void>()
  private over = false

  constructor(command: string, args: readonly string[], { cwd, env, input }: RunOptions) {
    this.child = spawn(command, args, { cwd, env: { ...environment(), ...env }, stdio: 'pipe' })
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text
      this.changed()
    })
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
      this.changed()
    })
    this.child.stdin?.on('error', () => undefined)
    this.child.stdin?.end(input ?? '')
    this.ended = new Promise((resolve, reject) => {
      this.child.once('error', reject)
      this.child.once('close', (code) => {
        this.over = true
        this.changed()
        resolve({ code, stdout: this.stdout, stderr: this.stderr })
      })
    })
  }

  /** Resolves when `isThere` says so of what was written up to then; fails when the process ends before. */
  async until(isThere: (told: { stdout: string; stderr: string }) => boolean): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const look = (): void => {
        if (!isThere(this) && !this.over) return
        this.watchers.delete(look)
        if (isThere(this)) resolve()
        else reject(new Error(`it ended before:\n${this.stdout}\n${this.stderr}`))
      }
      this.watchers.add(look)
      look()
    })
  }

  get pid(): number {
    return this.child.pid ?? -1
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name)
  }

  /** Sends the signal and waits for the end. */
  async stop(name: NodeJS.Signals = 'SIGTERM'): Promise<Ended> {
    this.signal(name)
    return this.ended
  }

  private changed(): void {
    for (const watcher of [...this.watchers]) watcher()
  }
}

const running = new Set<RunningMillrace>()

afterAll(async () => {
  const left = [...running]
  running.clear()
  await Promise.all(left.map((one) => one.stop('SIGKILL')))
})

/** Starts the program; it is killed at the end of the test file at the latest. */
export function startMillrace(args: readonly string[], options: RunOptions): RunningMillrace {
  return startProgram(PROGRAM, args, options)
}

/** Starts another program file; it is killed at the end of the test file at the latest. */
export function startProgram(file: string, args: readonly string[], options: RunOptions): RunningMillrace {
  const started = new RunningMillrace(process.execPath, [file, ...args], options)
  running.add(started)
  void started.ended.finally(() => running.delete(started))
  return started
}

/** Runs the program to its end. */
export function millrace(args: readonly string[], options: RunOptions): Promise<Ended> {
  return startMillrace(args, options).ended
}

/** The lines of a JSONL output. */
export function linesOf<T = ExportedRecord>(stdout: string): T[] {
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T)
}

/** A line of `millrace export`. */
export interface ExportedRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly key: string | null
  readonly value: Record<string, unknown>
  readonly headers: Record<string, string>
}

/** The records of a topic, by export. */
export async function exported(topic: string, options: RunOptions): Promise<readonly ExportedRecord[]> {
  const { code, stdout, stderr } = await millrace(['export', topic], options)
  if (code !== 0) throw new Error(stderr)
  return linesOf(stdout)
}

/** The environment without settings of the program. */
function environment(): Record<string, string> {
  const kept = Object.entries(process.env).filter(([name, value]) => {
    return value !== undefined && !name.startsWith('MILLRACE_')
  })
  return { ...(Object.fromEntries(kept) as Record<string, string>), NO_COLOR: '1' }
}
