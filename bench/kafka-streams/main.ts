/**
 * millrace against Kafka Streams on one broker: the same readings, the same windows, exactly once on both sides, both in
 * turn, both outputs checked.
 *
 *     npm run bench:kafka-streams -- --help
 *
 * What lives in this folder: the peer (`peer/`, Java), the readings and what has to come of them, the measuring from
 * outside, the report. What never does: anything that one side gets and the other does not.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os, { tmpdir } from 'node:os'
import path from 'node:path'
import { openKafkaLog } from '../../src/index.ts'
import { startBroker } from '../../test/support/kafka/broker.ts'
import { javaProgram, KAFKA_VERSION, missingForJava, packageFolder } from '../../test/support/kafka/maven.ts'
import type { Contender, Task } from './contender.ts'
import { expectedResults, type Results } from './expected.ts'
import { millrace } from './millrace.ts'
import { readOptions, type Options } from './options.ts'
import { peer, PEER_SETTINGS, peerClassPath } from './peer.ts'
import { Readings } from './readings.ts'
import { describeMachine, report, writeInto, type Setting } from './report.ts'
import { FIGURES, type Measured } from './summary.ts'
import { writeReadings } from './topics.ts'
import { runTrial, type Arena, type Trial } from './trial.ts'

const BROKER_SETTINGS = {
  // Both members of a group come into its first generation.
  'group.initial.rebalance.delay.ms': '1000',
  'log.cleaner.enable': 'false',
  'log.retention.check.interval.ms': String(24 * 3_600_000),
}
const BROKER_HEAP_MIB = 1_024
const WARM_UP_READINGS = 50_000
const WINDOWING = { windowMs: 60_000, graceMs: 20_000, validRange: { low: 50, high: 55 } }
const INTERVALS = { commitIntervalMs: 100, sessionTimeoutMs: 10_000 }
const OUTPUT = 'aggregates'

/** An input with what has to come of it. */
interface Prepared {
  readonly topic: string
  readonly count: number
  readonly expected: ReadonlyMap<boolean, Results>
}

const options = readOptions(process.argv.slice(2))
if (options !== null) await main(options)

async function main(options: Options): Promise<void> {
  const missing = missingForJava()
  if (missing !== null) throw new Error(`the comparison needs Java and Maven: ${missing}`)
  note('building the peer')
  const contenders = await contendersOf(options)
  const folder = mkdtempSync(path.join(tmpdir(), 'millrace-bench-broker-'))
  note('starting the broker')
  const broker = await startBroker({
    dataFolder: folder,
    heapMiB: BROKER_HEAP_MIB,
    properties: BROKER_SETTINGS,
  })
  try {
    const log = await openKafkaLog({ brokers: [broker.brokers] })
    const { partitions } = options
    const arena: Arena = { broker, brokerData: path.join(folder, 'data'), log, partitions }
    const measured = await compare(arena, options, contenders)
    await log.close()
    publish(options, measured)
  } finally {
    await broker.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function contendersOf(options: Options): Promise<readonly Contender[]> {
  const classPath = await peerClassPath()
  const { parallel, emits, heapMiB, jvm, peerSettings: settings, node, nodeFlags } = options
  return parallel.flatMap((count) => [
    millrace({ processes: count, node, nodeFlags }),
    ...emits.map((emit) => peer(classPath, { threads: count, emit, heapMiB, jvm, settings })),
  ])
}

async function compare(
  arena: Arena,
  options: Options,
  contenders: readonly Contender[],
): Promise<readonly Measured[]> {
  const small = await prepare(arena, 'warm-up', { ...options, readings: WARM_UP_READINGS })
  const whole = await prepare(arena, 'readings', options)
  const trials = new Map<string, Trial[]>()
  let runs = 0
  const once = (contender: Contender, deduplicate: boolean, input: Prepared): Promise<Trial> => {
    const applicationId = `bench-${(runs++).toString().padStart(4, '0')}`
    const task: Task = {
      brokers: arena.broker.brokers,
      applicationId,
      input: input.topic,
      output: OUTPUT,
      deduplicate,
      ...WINDOWING,
      ...INTERVALS,
    }
    return runTrial(arena, contender, task, input.count, input.expected.get(deduplicate)!)
  }
  note('warming up the broker')
  for (const contender of contenders) await once(contender, options.deduplicate[0]!, small)
  for (let round = 0; round < options.runs; round++) {
    for (const deduplicate of options.deduplicate) {
      for (const contender of contenders) {
        const trial = await once(contender, deduplicate, whole)
        const name = `${contender.label} ${deduplicate}`
        trials.set(name, [...(trials.get(name) ?? []), trial])
        tell(round, contender, deduplicate, trial)
      }
    }
  }
  return options.deduplicate.flatMap((deduplicate) =>
    contenders.map(({ side, label, parallel }) => {
      return { side, label, parallel, deduplicate, trials: trials.get(`${label} ${deduplicate}`)! }
    }),
  )
}

async function prepare({ log }: Arena, topic: string, options: Options): Promise<Prepared> {
  const { readings: count, sensors, partitions, seed } = options
  note(`writing ${count.toLocaleString('en-US')} readings`)
  const readings = new Readings({ readings: count, sensors, partitions, seed })
  await writeReadings(log, topic, readings)
  const expected = options.deduplicate.map((deduplicate) => {
    return [deduplicate, expectedResults(readings, { ...WINDOWING, deduplicate })] as const
  })
  return { topic, count: readings.count, expected: new Map(expected) }
}

function publish(options: Options, measured: readonly Measured[]): void {
  const setting = settingOf(options)
  const result = report(setting, measured)
  process.stdout.write(`\n${result}\n`)
  if (options.json !== undefined) {
    writeFileSync(options.json, `${JSON.stringify({ setting, options, measured }, null, 2)}\n`)
  }
  if (options.write) writeInto(path.join(packageFolder(), 'bench', 'README.md'), result)
}

function settingOf(options: Options): Setting {
  const { readings, sensors, partitions, heapMiB, jvm, peerSettings, node } = options
  const nodeVersion = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim()
  const java = /version "([^"]+)"/.exec(
    spawnSync(javaProgram(), ['-version'], { encoding: 'utf8' }).stderr,
  )?.[1]
  const settings = Object.entries({ ...PEER_SETTINGS, ...peerSettings }).map(
    ([name, value]) => `\`${name}=${value}\``,
  )
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: describeMachine(),
    versions: `Node ${nodeVersion}, Kafka and Kafka Streams ${KAFKA_VERSION}, Java ${java}`,
    workload:
      `${readings.toLocaleString('en-US')} JSON readings of ${sensors.toLocaleString('en-US')} sensors in ` +
      `${partitions} partitions, windows of a minute, grace 20 s, final results, a commit every 100 ms.`,
    peer: `The peer ran with \`${[`-Xmx${heapMiB}m`, ...jvm].join(' ')}\` and ${settings.join(', ')}.`,
  }
}

function tell(round: number, { label }: Contender, deduplicate: boolean, trial: Trial): void {
  const rate = Math.round(FIGURES.rate(trial)).toLocaleString('en-US')
  const load = os.loadavg()[0]!.toFixed(1)
  const mode = deduplicate ? 'with duplicate detection' : 'without duplicate detection'
  note(`run ${round + 1}: ${label}, ${mode}: ${rate} readings/s (load ${load})`)
}

function note(text: string): void {
  process.stderr.write(`${text}\n`)
}
