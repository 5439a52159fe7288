/** The peer: the same aggregator on Kafka Streams, in `peer/`, built by Maven once for each version of its sources. */
import { createHash } from 'node:crypto'
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { cacheFolder, javaProgram, making, packageFolder, run } from '../../test/support/kafka/maven.ts'
import type { Contender, Task } from './contender.ts'

const SOURCES = path.join(packageFolder(), 'bench', 'kafka-streams', 'peer')
const BUILD_CLASS_PATH = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.1:build-classpath'

/** How final results are made: a buffer behind the window store, or by the window operator itself. */
export type PeerEmit = 'suppress' | 'window-close'

/** How the peer is run. */
export interface PeerOptions {
  readonly threads: number
  readonly emit: PeerEmit
  /** Heap in MiB. */
  readonly heapMiB: number
  /** Further flags of the JVM. */
  readonly jvm: readonly string[]
  /** Settings of Kafka Streams and its clients, over those of `PEER_SETTINGS`. */
  readonly settings: Readonly<Record<string, string>>
}

/**
 * Settings of Kafka Streams other than its defaults, chosen for speed and not searched for: larger polls, batches and
 * caches, results as soon as a window closes instead of once a second. `--peer-setting` tries others.
 */
export const PEER_SETTINGS: Readonly<Record<string, string>> = {
  'processing.guarantee': 'exactly_once_v2',
  'replication.factor': '1',
  'auto.offset.reset': 'earliest',
  'statestore.cache.max.bytes': String(64 << 20),
  'buffered.records.per.partition': '10000',
  'main.consumer.max.poll.records': '10000',
  'main.consumer.max.partition.fetch.bytes': String(4 << 20),
  'producer.batch.size': String(256 << 10),
  'producer.linger.ms': '100',
  'producer.buffer.memory': String(64 << 20),
  '__emit.interval.ms.kstreams.windowed.aggregation__': '0',
  'topology.optimization': 'all',
  'log.summary.interval.ms': '-1',
}

const QUIET = '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn'

/** Builds the peer where that has not been done yet; resolves with the class path of its program. */
export async function peerClassPath(): Promise<string> {
  const folder = path.join(cacheFolder(), `kafka-streams-peer-${hashOf(SOURCES)}`)
  const file = path.join(folder, 'classpath.txt')
  if (!existsSync(file) || !partsExist(readFileSync(file, 'utf8'))) {
    await making(folder, async (target) => {
      cpSync(SOURCES, path.join(target, 'sources'), { recursive: true })
      const pom = path.join(target, 'sources', 'pom.xml')
      const found = path.join(target, 'dependencies.txt')
      const places = [`-Dpeer.target=${path.join(target, 'target')}`, `-Dmdep.outputFile=${found}`]
      await run('mvn', ['-q', '-B', '-f', pom, ...places, 'compile', BUILD_CLASS_PATH])
      const classes = path.join(folder, 'target', 'classes')
      writeFileSync(path.join(target, 'classpath.txt'), `${classes}:${readFileSync(found, 'utf8').trim()}`)
    })
  }
  return readFileSync(file, 'utf8')
}

/** The peer as a contender. */
export function peer(classPath: string, options: PeerOptions): Contender {
  const { threads, emit, heapMiB, jvm, settings } = options
  const heap = [`-Xms${heapMiB}m`, `-Xmx${heapMiB}m`]
  return {
    side: 'Kafka Streams',
    label: `Kafka Streams, ${emit === 'suppress' ? 'suppress' : 'onWindowClose'}, ${threadsText(threads)}`,
    parallel: threads,
    commands(task, folder) {
      const file = path.join(folder, 'peer.properties')
      const streams = { ...PEER_SETTINGS, ...streamsSettings(task, folder, threads), ...settings }
      const lines = [
        ...Object.entries(topologySettings(task, emit)),
        ...Object.entries(streams).map(([name, value]) => [`streams.${name}`, value] as const),
      ]
      writeFileSync(file, lines.map(([name, value]) => `${name}=${value}\n`).join(''))
      return [[javaProgram(), ...heap, ...jvm, QUIET, '-cp', classPath, 'millrace.peer.Main', file]]
    },
  }
}

function streamsSettings(task: Task, folder: string, threads: number): Record<string, string> {
  return {
    'application.id': task.applicationId,
    'bootstrap.servers': task.brokers,
    'state.dir': path.join(folder, 'state'),
    'num.stream.threads': String(threads),
    'commit.interval.ms': String(task.commitIntervalMs),
    'consumer.session.timeout.ms': String(task.sessionTimeoutMs),
    'consumer.heartbeat.interval.ms': String(Math.floor(task.sessionTimeoutMs / 3)),
  }
}

function topologySettings(task: Task, emit: PeerEmit): Record<string, string> {
  return {
    input: task.input,
    output: task.output,
    emit,
    'window.ms': String(task.windowMs),
    'grace.ms': String(task.graceMs),
    'valid.low': String(task.validRange.low),
    'valid.high': String(task.validRange.high),
    deduplicate: String(task.deduplicate),
    'deduplicate.cache': 'false',
    ...task.format.peerSettings,
  }
}

function threadsText(threads: number): string {
  return threads === 1 ? '1 thread' : `${threads} threads`
}

function hashOf(folder: string): string {
  const hash = createHash('sha256')
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => /(\.java|pom\.xml)$/.test(name) && !name.startsWith('target'))
    .sort()
  for (const name of names) hash.update(`${name}\n`).update(readFileSync(path.join(folder, name)))
  return hash.digest('hex').slice(0, 16)
}

function partsExist(classPath: string): boolean {
  return classPath.split(path.delimiter).every((part) => existsSync(part))
}
