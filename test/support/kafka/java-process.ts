/**
 * A JVM that never outlives the process that started it, however that process ends: a shell beside it reads
 * from us until our end of the pipe closes, and then kills the JVM.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { javaProgram } from './maven.ts'

/** How long a server may take to answer, in milliseconds: a shared machine may be busy. */
const START_LIMIT_MS = 120_000
const ASK_EVERY_MS = 50
const STOP_LIMIT_MS = 10_000

/** A running JVM; its output goes to a file. */
export class JavaProcess {
  readonly pid: number
  /** Resolves when the process is gone. */
  readonly exited: Promise<void>

  private readonly child: ChildProcess
  private readonly logFile: string
  private running = true

  constructor(args: readonly string[], logFile: string) {
    const log = openSync(logFile, 'a')
    this.logFile = logFile
    this.child = spawn(javaProgram(), args, { stdio: ['ignore', log, log], detached: true })
    closeSync(log)
    this.pid = this.child.pid ?? -1
    const lifeline = this.pid < 0 ? null : startLifeline(this.pid)
    this.exited = new Promise((resolve) => {
      const gone = (): void => {
        this.running = false
        lifeline?.kill('SIGKILL')
        resolve()
      }
      this.child.once('exit', gone)
      this.child.once('error', gone)
    })
  }

  /** Resolves once `answers` says so; rejects with the log's end where the process ends or takes too long. */
  async ready(answers: () => Promise<boolean>): Promise<void> {
    const started = performance.now()
    while (this.running && performance.now() - started < START_LIMIT_MS) {
      if (await answers()) return
      await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS))
    }
    const state = this.running ? `did not answer within ${START_LIMIT_MS} ms` : 'ended'
    const tail = readFileSync(this.logFile, 'utf8').slice(-4000)
    await this.kill()
    throw new Error(`the server ${state}; the end of its log:\n${tail}`)
  }

  signal(name: NodeJS.Signals): void {
    if (this.running) this.child.kill(name)
  }

  /** SIGKILL, as a machine that loses its power; resolves when the process is gone. */
  async kill(): Promise<void> {
    this.signal('SIGKILL')
    await this.exited
  }

  /** SIGTERM, and SIGKILL for one that does not listen. */
  async stop(): Promise<void> {
    this.signal('SIGTERM')
    const timer = setTimeout(() => this.signal('SIGKILL'), STOP_LIMIT_MS)
    await this.exited
    clearTimeout(timer)
  }
}

/** Kills `pid` when this process is gone. */
export function startLifeline(pid: number): ChildProcess {
  const child = spawn('sh', ['-c', `cat >/dev/null; kill -9 ${pid} 2>/dev/null`], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  child.stdin?.on('error', () => undefined)
  return child
}

/** Ports of 127.0.0.1 that nobody listens on now. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer()
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      return server
    }),
  )
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}
