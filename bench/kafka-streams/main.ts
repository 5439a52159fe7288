/**
 * millrace against Kafka Streams on one broker: the same readings, the same windows, exactly once on both sides, both
 * in turn, both outputs checked.
 *
 *     npm run bench:kafka-streams -- --help
 *
 * What lives in this folder: the peer (`peer/`, Java), the readings and what has to come of them, the measuring from
 * outside, the report. What never does: anything that one side gets and the other does not.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { openKafkaLog } from '../../src/index.ts'
import { startBroker } from '../../test/support/kafka/broker.ts'
import { javaProgram, KAFKA_VERSION, missingForJava, packageFolder } from '../../test/support/kafka/maven.ts'
import { startRegistry, type SchemaRegistry } from '../../test/support/kafka/registry.ts'
import { JSON_FORMAT, openAvroFormat } from './formats.ts'
import { readOptions, type Options } from './options.ts'
import { PEER_SETTINGS, peerClassPath } from './peer.ts'
import { Plan } from './plan.ts'
import { describeMachine, report, writeInto, type Setting } from './report.ts'

const BROKER_SETTINGS = {
  // Both members of a group come into its first generation.
  'group.initial.rebalance.delay.ms': '1000',
  'log.cleaner.enable': 'false',
  'log.retention.check.interval.ms': String(24 * 3_600_000),
}
const BROKER_HEAP_MIB = 1_024

const options = readOptions(process.argv.slice(2))
if (options !== null) await main(options)

async function main(options: Options): Promise<void> {
  const missing = missingForJava()
  if (missing !== null) throw new Error(`the comparison needs Java and Maven: ${missing}`)
  note('building the peer')
  const classPath = await peerClassPath()
  const folder = mkdtempSync(path.join(tmpdir(), 'millrace-bench-broker-'))
  note('starting the broker')
  const broker = await startBroker({
    dataFolder: folder,
    heapMiB: BROKER_HEAP_MIB,
    properties: BROKER_SETTINGS,
  })
  let registry: SchemaRegistry | undefined
  try {
    if (options.format === 'avro') registry = await startRegistry()
    const format = registry === undefined ? JSON_FORMAT : await openAvroFormat(registry.url)
    const log = await openKafkaLog({ brokers: [broker.brokers] })
    const { partitions } = options
    const arena = { broker, brokerData: path.join(folder, 'data'), log, partitions }
    const plan = new Plan(arena, options, format, classPath, note)
    const { heapMiB, measured } = await plan.throughput()
    const paced = await plan.paced(measured, heapMiB)
    await log.close()
    const setting = settingOf(options, heapMiB)
    const result = report(setting, measured, paced)
    process.stdout.write(`\n${result}\n`)
    const everything = { setting, options, measured, paced }
    if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(everything, null, 2)}\n`)
    if (options.write) writeInto(path.join(packageFolder(), 'bench', 'README.md'), result)
  } finally {
    await registry?.stop()
    await broker.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

function settingOf(options: Options, heapMiB: number): Setting {
  const { readings, sensors, partitions, jvm, peerSettings, node, nodeFlags } = options
  const nodeVersion = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim()
  const java = spawnSync(javaProgram(), ['-version'], { encoding: 'utf8' }).stderr
  const settings = Object.entries({ ...PEER_SETTINGS, ...peerSettings })
  const flags = nodeFlags.length === 0 ? '' : ` (${nodeFlags.join(' ')})`
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: describeMachine(),
    versions:
      `Node ${nodeVersion}${flags}, Kafka and Kafka Streams ${KAFKA_VERSION}, ` +
      `Java ${/version "([^"]+)"/.exec(java)?.[1]}`,
    workload:
      `${readings.toLocaleString('en-US')} ${options.format === 'avro' ? 'Avro' : 'JSON'} readings of ` +
      `${sensors.toLocaleString('en-US')} sensors in ` +
      `${partitions} partitions, windows of a minute, grace 20 s, final results, a commit every 100 ms.`,
    peer:
      `The peer ran with \`${[`-Xmx${heapMiB}m`, ...jvm].join(' ')}\` and ` +
      `${settings.map(([name, value]) => `\`${name}=${value}\``).join(', ')}.`,
  }
}

function note(text: string): void {
  process.stderr.write(`${text}\n`)
}
