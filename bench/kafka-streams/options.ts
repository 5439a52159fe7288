/** The command line of the comparison. */
import { parseArgs } from 'node:util'
import type { PeerEmit } from './peer.ts'

/** What is to be compared. */
export interface Options {
  readonly readings: number
  readonly sensors: number
  readonly partitions: number
  readonly seed: number
  readonly runs: number
  readonly format: 'json' | 'avro'
  readonly parallel: readonly number[]
  readonly deduplicate: readonly boolean[]
  readonly emits: readonly PeerEmit[]
  /** Heap of the peer; `search`: the smallest that costs it under 5 %. */
  readonly heapMiB: number | 'search'
  readonly jvm: readonly string[]
  readonly peerSettings: Readonly<Record<string, string>>
  readonly node: string
  readonly nodeFlags: readonly string[]
  readonly latency: boolean
  readonly kill: boolean
  /** Readings a second of the paced runs; `undefined`: half of what the peer works. */
  readonly pacedRate: number | undefined
  readonly pacedSeconds: number
  readonly write: boolean
  readonly json: string | undefined
}

const USAGE = `Compares millrace with Kafka Streams on one Kafka broker, which it starts itself (Java 17 and Maven).

npm run bench:kafka-streams -- [options]

  --readings N           readings in the input                                          2000000
  --sensors N            sensors they come from                                            1000
  --partitions N         partitions of the input                                              4
  --seed N               another input of the same kind                                       1
  --format FORMAT        json, or avro with a schema registry, which is started, too         json
  --runs N               runs of each contender, all in turn                                  5
  --parallel N,...       processes of millrace, threads of Kafka Streams                    1,2
  --deduplicate WHEN     off, on or both                                                   both
  --peer-emit WAY,...    suppress, window-close                           suppress,window-close
  --peer-heap MIB        heap of the JVM; search: the smallest that costs it under 5 %      512
  --peer-jvm "FLAGS"     further flags of the JVM                            -XX:+UseParallelGC
  --peer-setting K=V     a setting of Kafka Streams or its clients, may be repeated
  --node FILE            the Node that runs millrace                                  this one
  --node-flags "FLAGS"   flags for it
  --latency              also: how long until a result can be read, at half load
  --kill                 also: how long until results come again after a kill, at half load
  --paced-rate N         readings a second for both                half of what the peer works
  --paced-seconds N      how long such a run is                                              40
  --json FILE            writes the result as JSON, too
  --write                writes the result into bench/README.md
`

/** The options; `null` where only help was asked for, which is then printed. Throws for what is no option. */
export function readOptions(args: readonly string[]): Options | null {
  const { values } = parseArgs({
    args: [...args],
    options: {
      readings: { type: 'string', default: '2000000' },
      sensors: { type: 'string', default: '1000' },
      partitions: { type: 'string', default: '4' },
      seed: { type: 'string', default: '1' },
      format: { type: 'string', default: 'json' },
      runs: { type: 'string', default: '5' },
      parallel: { type: 'string', default: '1,2' },
      deduplicate: { type: 'string', default: 'both' },
      'peer-emit': { type: 'string', default: 'suppress,window-close' },
      'peer-heap': { type: 'string', default: '512' },
      'peer-jvm': { type: 'string', default: '-XX:+UseParallelGC' },
      'peer-setting': { type: 'string', multiple: true, default: [] },
      node: { type: 'string', default: process.execPath },
      'node-flags': { type: 'string', default: '' },
      latency: { type: 'boolean', default: false },
      kill: { type: 'boolean', default: false },
      'paced-rate': { type: 'string' },
      'paced-seconds': { type: 'string', default: '40' },
      json: { type: 'string' },
      write: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help === true) {
    process.stdout.write(USAGE)
    return null
  }
  return {
    readings: whole('readings', values.readings),
    sensors: whole('sensors', values.sensors),
    partitions: whole('partitions', values.partitions),
    seed: whole('seed', values.seed),
    format: formatOf(values.format),
    runs: whole('runs', values.runs),
    parallel: values.parallel.split(',').map((text) => whole('parallel', text)),
    deduplicate: { off: [false], on: [true], both: [false, true] }[oneOf('deduplicate', values.deduplicate)],
    emits: values['peer-emit'].split(',').map(emit),
    heapMiB: values['peer-heap'] === 'search' ? 'search' : whole('peer-heap', values['peer-heap']),
    jvm: words(values['peer-jvm']),
    peerSettings: Object.fromEntries(values['peer-setting'].map(setting)),
    node: values.node,
    nodeFlags: words(values['node-flags']),
    latency: values.latency,
    kill: values.kill,
    pacedRate: values['paced-rate'] === undefined ? undefined : whole('paced-rate', values['paced-rate']),
    pacedSeconds: whole('paced-seconds', values['paced-seconds']),
    write: values.write,
    json: values.json,
  }
}

function whole(name: string, text: string): number {
  const number = Number(text)
  if (!/^\d+$/.test(text) || number < 1)
    throw new Error(`--${name} must be a whole number above 0, not ${text}`)
  return number
}

function oneOf(name: string, text: string): 'off' | 'on' | 'both' {
  if (text === 'off' || text === 'on' || text === 'both') return text
  throw new Error(`--${name} must be off, on or both, not ${text}`)
}

function formatOf(text: string): 'json' | 'avro' {
  if (text === 'json' || text === 'avro') return text
  throw new Error(`--format must be json or avro, not ${text}`)
}

function emit(text: string): PeerEmit {
  if (text === 'suppress' || text === 'window-close') return text
  throw new Error(`--peer-emit knows suppress and window-close, not ${text}`)
}

function setting(text: string): [string, string] {
  const at = text.indexOf('=')
  if (at < 1) throw new Error(`--peer-setting must be NAME=VALUE, not ${text}`)
  return [text.slice(0, at), text.slice(at + 1)]
}

function words(text: string): readonly string[] {
  return text.split(/\s+/).filter((word) => word !== '')
}
