/** One Kafka broker (KRaft, one node) that a test starts, kills, freezes and starts again on the same data. */
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { serverProperties, type BrokerOptions, type BrokerPlace } from './broker-properties.ts'
import { freePorts, JavaProcess } from './java-process.ts'
import { javaTool, kafkaClassPath, kafkaIsAtLeast, run } from './maven.ts'

const STORE_PASSWORD = 'millrace'
const QUIET = '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn'
const METADATA = 3
const ANSWER_LIMIT_MS = 2000

/** Makes a broker and resolves when it answers. To be stopped by its maker; it dies with this process. */
export async function startBroker(options: BrokerOptions = {}): Promise<KafkaBroker> {
  const own = options.dataFolder === undefined
  const folder = options.dataFolder ?? mkdtempSync(path.join(tmpdir(), 'millrace-kafka-'))
  mkdirSync(folder, { recursive: true })
  const [plainPort, controllerPort, securePort] = await freePorts(3)
  const secure = options.users !== undefined
  const keyStore = secure ? await makeKeyStore(folder) : null
  const place: BrokerPlace = {
    plainPort: options.port ?? plainPort!,
    controllerPort: controllerPort!,
    securePort: secure ? securePort! : null,
    folder,
    keyStore,
  }
  const broker = new KafkaBroker(options, place, own, await kafkaClassPath())
  try {
    await broker.format()
    await broker.start()
  } catch (error) {
    await broker.stop()
    throw error
  }
  return broker
}

/** A broker; its addresses stay the same over kills and starts. */
export class KafkaBroker {
  /** Address of the plain listener, `127.0.0.1:PORT`. */
  readonly brokers: string
  /** Address of the TLS + SASL listener; null where `users` was not given. */
  readonly secureBrokers: string | null
  /** The authority that signed the broker's certificate, as PEM; null without TLS. */
  readonly certificate: string | null
  /** What the broker wrote to its console. */
  readonly logFile: string

  private readonly options: BrokerOptions
  private readonly place: BrokerPlace
  private readonly ownFolder: boolean
  private readonly classPath: string
  private process: JavaProcess | null = null

  constructor(options: BrokerOptions, place: BrokerPlace, ownFolder: boolean, classPath: string) {
    this.options = options
    this.place = place
    this.ownFolder = ownFolder
    this.classPath = classPath
    this.brokers = `127.0.0.1:${place.plainPort}`
    this.secureBrokers = place.securePort === null ? null : `127.0.0.1:${place.securePort}`
    this.certificate = place.keyStore === null ? null : readFileSync(certificateIn(place.folder), 'utf8')
    this.logFile = path.join(place.folder, 'broker.log')
  }

  /** The broker's process id; null while it does not run. */
  get pid(): number | null {
    return this.process?.pid ?? null
  }

  /** Writes the settings and, into an empty folder, a new cluster with its users. */
  async format(): Promise<void> {
    const { properties } = this.files()
    writeFileSync(properties, serverProperties(this.options, this.place))
    const id = randomBytes(16).toString('base64url').replace(/^-/, 'A')
    const users = (this.options.users ?? []).flatMap(({ name, password }) =>
      ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((mechanism) => [
        '--add-scram',
        `${mechanism}=[name=${name},password=${password}]`,
      ]),
    )
    // Before Kafka 3.9 the controllers are those of the settings, and nothing else can be said.
    const standalone = kafkaIsAtLeast(3, 9) ? ['--standalone'] : []
    const args = ['format', ...standalone, '--ignore-formatted', '-t', id, '-c', properties, ...users]
    await this.tool('kafka.tools.StorageTool', args)
  }

  /** Starts the broker on its data and resolves when it answers. */
  async start(): Promise<void> {
    if (this.process !== null) throw new Error('the broker runs already')
    const heap = `-Xmx${this.options.heapMiB ?? 512}m`
    const jvm = [heap, '-XX:+UseSerialGC', QUIET, '-cp', this.classPath]
    const process = new JavaProcess([...jvm, 'kafka.Kafka', this.files().properties], this.logFile)
    this.process = process
    await process.ready(() => answers(this.place.plainPort))
  }

  /** SIGKILL: what was not written is lost, clients see the connection break. `start()` goes on from there. */
  async kill(): Promise<void> {
    await this.process?.kill()
    this.process = null
  }

  /** SIGSTOP: connections stay open, nothing answers. */
  freeze(): void {
    this.process?.signal('SIGSTOP')
  }

  /** SIGCONT after `freeze()`. */
  thaw(): void {
    this.process?.signal('SIGCONT')
  }

  /** Ends the broker; removes its folder unless that was given. May be called twice. */
  async stop(): Promise<void> {
    if (this.ownFolder) await this.kill()
    else await this.process?.stop()
    this.process = null
    if (this.ownFolder) rmSync(this.place.folder, { recursive: true, force: true })
  }

  /**
   * Runs one of Kafka's Java programs to its end and resolves with its output, for example
   * `tool('org.apache.kafka.tools.consumer.ConsoleConsumer', ['--bootstrap-server', brokers, ...])`.
   */
  tool(mainClass: string, args: readonly string[]): Promise<string> {
    return runKafkaTool(this.classPath, mainClass, args)
  }

  private files(): { properties: string } {
    return { properties: path.join(this.place.folder, 'server.properties') }
  }
}

/** Runs one of Kafka's Java programs; rejects with its output where it fails. */
export function runKafkaTool(classPath: string, mainClass: string, args: readonly string[]): Promise<string> {
  const jvm = ['-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', QUIET, '-cp', classPath]
  return run(javaTool('java'), [...jvm, mainClass, ...args])
}

/** A self-signed certificate for 127.0.0.1 and localhost, as key store for the broker and as PEM for clients. */
async function makeKeyStore(folder: string): Promise<{ file: string; password: string }> {
  const file = path.join(folder, 'broker.p12')
  const store = ['-keystore', file, '-storetype', 'PKCS12', '-storepass', STORE_PASSWORD, '-alias', 'broker']
  rmSync(file, { force: true })
  const names = ['-dname', 'CN=localhost', '-ext', 'SAN=DNS:localhost,IP:127.0.0.1', '-ext', 'BC=ca:true']
  const key = ['-keyalg', 'EC', '-groupname', 'secp256r1', '-validity', '30']
  await run(javaTool('keytool'), ['-genkeypair', ...store, ...key, ...names])
  await run(javaTool('keytool'), ['-exportcert', '-rfc', ...store, '-file', certificateIn(folder)])
  return { file, password: STORE_PASSWORD }
}

function certificateIn(folder: string): string {
  return path.join(folder, 'certificate.pem')
}

/** Whether the broker at `port` names a broker in its metadata: then it serves, and not only listens. */
export function answers(port: number): Promise<boolean> {
  const client = Buffer.from('x')
  const request = Buffer.alloc(4 + 10 + client.length + 4)
  request.writeInt32BE(request.length - 4, 0)
  request.writeInt16BE(METADATA, 4)
  request.writeInt16BE(1, 6)
  request.writeInt32BE(1, 8)
  request.writeInt16BE(client.length, 12)
  client.copy(request, 14)
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(request))
    let received = Buffer.alloc(0)
    const end = (answer: boolean): void => {
      socket.destroy()
      resolve(answer)
    }
    socket.setTimeout(ANSWER_LIMIT_MS, () => end(false))
    socket.on('error', () => end(false))
    socket.on('close', () => end(false))
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      if (received.length >= 12) end(received.readInt32BE(8) > 0)
    })
  })
}
