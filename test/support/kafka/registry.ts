/** One schema registry that speaks Confluent's API, in memory, for tests and `npm run kafka`. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { freePorts, JavaProcess } from './java-process.ts'
import { registryJar } from './maven.ts'

/** Starts a registry and resolves when it answers. To be stopped by its maker; it dies with this process. */
export async function startRegistry(options: { readonly port?: number } = {}): Promise<SchemaRegistry> {
  const port = options.port ?? (await freePorts(1))[0]!
  const registry = new SchemaRegistry(port, await registryJar())
  try {
    await registry.start()
  } catch (error) {
    await registry.stop()
    throw error
  }
  return registry
}

/** A registry; its address stays the same over kills and starts, its content does not. */
export class SchemaRegistry {
  /** What `--registry` takes. */
  readonly url: string

  private readonly port: number
  private readonly jar: string
  private readonly folder = mkdtempSync(path.join(tmpdir(), 'millrace-registry-'))
  private process: JavaProcess | null = null

  constructor(port: number, jar: string) {
    this.port = port
    this.jar = jar
    this.url = `http://127.0.0.1:${port}/apis/ccompat/v7`
  }

  /** The registry's process id; null while it does not run. */
  get pid(): number | null {
    return this.process?.pid ?? null
  }

  /** Starts it, empty, and resolves when it answers. */
  async start(): Promise<void> {
    if (this.process !== null) throw new Error('the registry runs already')
    const jvm = ['-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']
    const http = ['-Dquarkus.http.host=127.0.0.1', `-Dquarkus.http.port=${this.port}`]
    const args = [...jvm, ...http, '-jar', this.jar]
    const process = new JavaProcess(args, path.join(this.folder, 'registry.log'))
    this.process = process
    await process.ready(() => answers(this.url))
  }

  /** SIGKILL; everything it held is gone. */
  async kill(): Promise<void> {
    await this.process?.kill()
    this.process = null
  }

  /** SIGSTOP: it accepts connections and answers nothing. */
  freeze(): void {
    this.process?.signal('SIGSTOP')
  }

  /** SIGCONT after `freeze()`. */
  thaw(): void {
    this.process?.signal('SIGCONT')
  }

  /** Ends it. May be called twice. */
  async stop(): Promise<void> {
    await this.kill()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/subjects`, { signal: AbortSignal.timeout(2000) })
    return response.ok
  } catch {
    return false
  }
}
