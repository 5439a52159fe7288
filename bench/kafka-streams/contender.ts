/** The two sides of the comparison, as far as the measuring knows them: what to start, and what it has to do. */
import { closeSync, openSync, readFileSync } from 'node:fs'
import { spawn, type ChildProcess } from 'node:child_process'
import { startLifeline } from '../../test/support/kafka/java-process.ts'
import type { ValueFormat } from './formats.ts'

/** What both sides are given to do, in the same words. */
export interface Task {
  readonly brokers: string
  readonly applicationId: string
  readonly input: string
  readonly output: string
  readonly windowMs: number
  readonly graceMs: number
  readonly commitIntervalMs: number
  readonly sessionTimeoutMs: number
  readonly validRange: { readonly low: number; readonly high: number }
  readonly deduplicate: boolean
  readonly format: ValueFormat
}

/** A program that can be given a task. */
export interface Contender {
  readonly side: 'millrace' | 'Kafka Streams'
  readonly label: string
  /** Threads or processes. */
  readonly parallel: number
  /** One command line for each process; `folder` is theirs alone. */
  commands(task: Task, folder: string): readonly (readonly string[])[]
}

const STOP_LIMIT_MS = 20_000

/** A process of a contender; what it says goes to a file. Ends with this process at the latest. */
export class Program {
  readonly pid: number
  private readonly child: ChildProcess
  private readonly logFile: string
  private readonly exited: Promise<void>
  private over = false

  constructor([command = '', ...args]: readonly string[], folder: string, logFile: string) {
    const log = openSync(logFile, 'a')
    this.logFile = logFile
    this.child = spawn(command, args, { cwd: folder, stdio: ['ignore', log, log], env: plainEnvironment() })
    closeSync(log)
    this.pid = this.child.pid ?? -1
    const lifeline = this.pid < 0 ? null : startLifeline(this.pid)
    this.exited = new Promise((resolve) => {
      const gone = (): void => {
        this.over = true
        lifeline?.kill('SIGKILL')
        resolve()
      }
      this.child.once('exit', gone)
      this.child.once('error', gone)
    })
  }

  /** Throws, with the end of what it said, when the process is gone. */
  requireRunning(): void {
    if (!this.over) return
    const tail = readFileSync(this.logFile, 'utf8').slice(-4_000)
    throw new Error(`a process ended by itself with ${this.child.exitCode}:\n${tail}`)
  }

  /** SIGKILL; resolves when it is gone. */
  async kill(): Promise<void> {
    if (!this.over) this.child.kill('SIGKILL')
    await this.exited
  }

  /** SIGTERM, and SIGKILL for one that does not listen. */
  async stop(): Promise<void> {
    if (!this.over) this.child.kill('SIGTERM')
    const timer = setTimeout(() => this.child.kill('SIGKILL'), STOP_LIMIT_MS)
    await this.exited
    clearTimeout(timer)
  }
}

/** Without settings of either side. */
function plainEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(MILLRACE_|NODE_OPTIONS|JAVA_TOOL)/.test(name),
  )
  return Object.fromEntries(kept)
}
