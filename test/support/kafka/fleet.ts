/**
 * Instances of the aggregator on a broker, each a process with a folder of its own, as on machines of their own: to be
 * started, killed and frozen. What they have told is kept over all their lives.
 */
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { sleep, systemClock, systemRandom } from '../../../src/clock.ts'
import { openKafkaLog } from '../../../src/log/kafka/index.ts'
import type { Log, Offset, TopicPartition } from '../../../src/log/log.ts'
import { readNewest } from '../../../src/runtime/commit-log.ts'
import { patientLog } from '../../../src/runtime/patient-log.ts'
import { PROGRAM, startProgram, type RunningMillrace } from '../millrace.ts'
import { aggregateRow, oracle, plainRow, type OracleSettings, type Published } from '../sensor-oracle.ts'
import type { KafkaBroker } from './broker.ts'
import { readWithJava } from './java-reader.ts'

/** The application's name where none is set. */
export const APPLICATION = 'sensors'
export const PARTITIONS = 4
/** As `FLAGS` set the aggregator. */
export const SETTINGS: OracleSettings = { windowMs: 10_000, graceMs: 2_000, low: 50, high: 55 }
/** No time-out decides anything, so that the oracle need not know how long a process was frozen. */
export const FLAGS: readonly string[] = ['--window', '10s', '--grace', '2s', '--idle-timeout', 'never']

const COMMITS = `${APPLICATION}-commits-0`
const TASKS = Array.from({ length: PARTITIONS }, (_, partition) => partition)
const LOOK_MS = 25
const PATIENCE_MS = 120_000

/** What a process says in a line of its log. */
export interface LogLine {
  readonly msg: string
  readonly level: number
  readonly [field: string]: unknown
}

/** One instance over all its lives. */
export class Instance {
  readonly folder: string
  /** What earlier lives wrote to stderr. */
  private earlier = ''
  private process: RunningMillrace | undefined
  private ending = false
  private failure: string | undefined
  private readonly command: readonly string[]
  private readonly env: Readonly<Record<string, string>>

  constructor(folder: string, command: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.folder = folder
    this.command = command
    this.env = env
    mkdirSync(folder, { recursive: true })
  }

  /** Starts a life: the program, and what to tell it. */
  start(): void {
    const [file = '', ...args] = this.command
    const started = startProgram(file, args, { cwd: this.folder, env: this.env })
    this.process = started
    this.ending = false
    void started.ended.then(({ code, stderr }) => {
      this.earlier += stderr
      this.process = undefined
      if (!this.ending) this.failure = `${this.folder} ended by itself with ${code}:\n${stderr.slice(-3000)}`
    })
  }

  /** What it said when it ended although nobody had ended it. */
  get endedByItself(): string | undefined {
    return this.failure
  }

  /** Of the life that is under way; -1 between two. */
  get pid(): number {
    return this.process?.pid ?? -1
  }

  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.process?.signal(name)
  }

  /** SIGKILL, or with SIGTERM a last commit; resolves with the exit code when the process is gone. */
  async end(name: 'SIGKILL' | 'SIGTERM'): Promise<number | null | undefined> {
    this.ending = true
    return (await this.process?.stop(name))?.code
  }

  /** Everything told so far. */
  get told(): string {
    return this.earlier + (this.process?.stderr ?? '')
  }

  get lines(): readonly LogLine[] {
    return logLinesOf(this.told)
  }

  /** Tasks of the life that is under way. */
  get tasks(): readonly string[] {
    const assigned = logLinesOf(this.process?.stderr ?? '').findLast(({ msg }) => msg.startsWith('tasks '))
    return assigned?.msg === 'tasks assigned' ? String(assigned['tasks']).split(' ').filter(Boolean) : []
  }
}

/** The log lines among what a process told. */
export function logLinesOf(stderr: string): LogLine[] {
  return stderr.split('\n').flatMap((line) => {
    if (!line.startsWith('{')) return []
    try {
      return [JSON.parse(line) as LogLine]
    } catch {
      return []
    }
  })
}

/** The arguments of every command that are about the log. */
export function onKafka(broker: KafkaBroker): readonly string[] {
  return ['--log', 'kafka', '--brokers', broker.brokers]
}

/** The command of an instance. */
export function runCommand(broker: KafkaBroker, ...more: readonly string[]): readonly string[] {
  return [PROGRAM, 'run', ...onKafka(broker), ...FLAGS, ...more]
}

/** A client of the broker that waits where the broker is away for a moment. */
export async function watchingLog(broker: KafkaBroker): Promise<Log> {
  const log = await openKafkaLog({ brokers: [broker.brokers], requestTimeoutMs: 5_000 })
  return patientLog(log, { clock: systemClock, random: systemRandom }, 30_000)
}

/** Readings that the application has worked and committed, by task; waits for no transaction. */
export async function workedBy(log: Log): Promise<readonly number[]> {
  const commits = TASKS.map((partition) => ({ topic: COMMITS, partition }))
  const stable = await log.offsets('stable', commits)
  const newest = await Promise.all(commits.map((commit, index) => readNewest(log, commit, stable[index]!)))
  return newest.map(({ latest }) => latest?.counts['consumed'] ?? 0)
}

/** The same over all tasks; 0 before the application has made its topics. */
export async function progressOf(log: Log): Promise<number> {
  if (!(await log.describeTopics([COMMITS])).has(COMMITS)) return 0
  return (await workedBy(log)).reduce((sum, worked) => sum + worked, 0)
}

/** Whether a transaction that wrote for one of the tasks is open now. */
export async function isTransactionOpen(log: Log, tasks: readonly string[]): Promise<boolean> {
  const partitions = [...writtenFirst(tasks), ...partitionsOf(tasks, COMMITS)]
  // In this order, so that one which ends in between is not taken for an open one.
  const ends = await log.offsets('end', partitions)
  const stable = await log.offsets('stable', partitions)
  return stable.some((offset, index) => offset < ends[index]!)
}

/** The ends of the changelogs of these tasks: what a commit writes first. */
export function changelogEnds(log: Log, tasks: readonly string[]): Promise<readonly Offset[]> {
  return log.offsets('end', writtenFirst(tasks))
}

function writtenFirst(tasks: readonly string[]): TopicPartition[] {
  return ['seen', 'statistics'].flatMap((store) => partitionsOf(tasks, `${APPLICATION}-${store}-changelog`))
}

function partitionsOf(tasks: readonly string[], topic: string): TopicPartition[] {
  return tasks.map((task) => ({ topic, partition: Number(task.split('_')[1]) }))
}

/** Resolves when `isThere` says so; fails after two minutes, or as soon as `failed` has something to say. */
export async function eventually(
  what: string,
  isThere: () => Promise<boolean> | boolean,
  failed: () => string | undefined = () => undefined,
): Promise<void> {
  const untilMs = systemClock.monotonic() + PATIENCE_MS
  while (!(await isThere())) {
    const failure = failed()
    if (failure !== undefined) throw new Error(`waiting until ${what}: ${failure}`)
    if (systemClock.monotonic() > untilMs) throw new Error(`it never came to be that ${what}`)
    await sleep(systemClock, LOOK_MS)
  }
}

/** What the oracle says must be published, from the topic of readings as Java's consumer sees it. */
export async function expectedBy(
  broker: KafkaBroker,
  settings = SETTINGS,
): Promise<{ expected: Published; readings: number }> {
  const input = await readWithJava(broker, 'readings', PARTITIONS)
  return { expected: oracle(input, settings), readings: input.flat().length }
}

/** What is published, as Java's consumer sees it. */
export async function publishedOn(broker: KafkaBroker): Promise<Published> {
  const [aggregates, late, deadLetters] = await Promise.all([
    readWithJava(broker, 'aggregates', PARTITIONS),
    readWithJava(broker, 'readings.late', PARTITIONS),
    readWithJava(broker, 'readings.dlq', PARTITIONS),
  ])
  return {
    aggregates: aggregates.map((records) =>
      records.map(({ key, timestampMs, value }) => {
        return aggregateRow(key, timestampMs, JSON.parse(value) as Record<string, unknown>)
      }),
    ),
    late: late.map((records) => records.map(({ key, value }) => plainRow(key, value))),
    deadLetters: deadLetters
      .flatMap((records) => records.map(({ key, value }) => plainRow(key, value)))
      .sort(),
  }
}

/** An instance below `folder`. */
export function instanceIn(
  folder: string,
  name: string,
  command: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Instance {
  return new Instance(path.join(folder, name), command, env)
}
