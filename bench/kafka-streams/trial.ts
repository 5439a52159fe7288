/**
 * One run of one contender, looked at from outside, in the same way for both sides:
 *
 * - **first fetch**: the moment at which the broker has served the first megabyte since the start of the program;
 * - **last commit**: the time in the last commit marker that the broker wrote into the topic of results. The last
 *   reading of each partition closes windows, so that results and the last positions are committed together;
 * - CPU seconds between these two, of application and broker; what came before is the start.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Log, TopicPartition } from '../../src/index.ts'
import type { KafkaBroker } from '../../test/support/kafka/broker.ts'
import { commitsOfTopic, type CommittedBatch } from './broker-files.ts'
import { Program, type Contender, type Task } from './contender.ts'
import { differences, type Results } from './expected.ts'
import { readResults, removeTraces, renew } from './topics.ts'
import { peakMegabytes, UsageSampler } from './usage.ts'

/** The broker of the comparison and a client of it. */
export interface Arena {
  readonly broker: KafkaBroker
  /** `log.dirs` of the broker. */
  readonly brokerData: string
  readonly log: Log
  readonly partitions: number
}

/** What a run took. */
export interface Trial {
  readonly readings: number
  /** First fetch to last commit. */
  readonly seconds: number
  /** Start of the program to first fetch. */
  readonly startSeconds: number
  /** From the commit with which half of the results were there, to the last commit. */
  readonly secondHalfSeconds: number
  /** CPU seconds between first fetch and last commit. */
  readonly applicationCpu: number
  readonly brokerCpu: number
  /** CPU seconds of the application before the first fetch. */
  readonly startCpu: number
  readonly peakMegabytes: number
}

const MEGABYTE = 1e6
const LOOK_MS = 100
const LONGEST_RUN_MS = 600_000

/** Runs a contender over all of the input, checks its results, removes what it left. */
export async function runTrial(
  arena: Arena,
  contender: Contender,
  task: Task,
  readings: number,
  expected: Results,
): Promise<Trial> {
  const { log, broker, partitions, brokerData } = arena
  const { output, input } = task
  await renew(log, [output, `${input}.late`, `${input}.dlq`], partitions)
  const folder = mkdtempSync(path.join(tmpdir(), 'millrace-bench-run-'))
  const programs = start(contender, task, folder)
  const pids = programs.map(({ pid }) => pid)
  const usage = new UsageSampler(pids, broker.pid!)
  try {
    await untilWorked(arena, task, programs)
    const peak = pids.reduce((sum, pid) => sum + peakMegabytes(pid), 0)
    usage.stop()
    const wrong = differences(await readResults(log, output, partitions, task.format), expected)
    if (wrong.length > 0) throw new Error(`${contender.label} gave wrong results:\n${wrong.join('\n')}`)
    const commits = commitsOfTopic(brokerData, output, partitions, () => undefined)
    return { readings, ...timesOf(usage, commits, expected.size), peakMegabytes: peak }
  } finally {
    usage.stop()
    await Promise.all(programs.map((program) => program.stop()))
    await removeTraces(log, task.applicationId).catch(() => undefined)
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Starts the processes of a contender below a folder. */
export function start(contender: Contender, task: Task, folder: string): readonly Program[] {
  mkdirSync(folder, { recursive: true })
  return contender
    .commands(task, folder)
    .map((command, index) => new Program(command, folder, path.join(folder, `process-${index}.log`)))
}

/** Resolves when the group's positions are at the end of the input, and no result waits for its marker. */
export async function untilWorked(
  { log, partitions }: Arena,
  { input, output, applicationId }: Task,
  programs: readonly Program[],
): Promise<void> {
  const inputs = partitionsOf(input, partitions)
  const started = performance.now()
  for (;;) {
    const ends = await log.offsets('stable', inputs)
    const offsets = await log.committedOffsets(applicationId, inputs)
    const worked = offsets.every((offset, index) => isAtEnd(offset, ends[index]!))
    if (worked && (await isSettled(log, partitionsOf(output, partitions)))) return
    for (const program of programs) program.requireRunning()
    if (performance.now() - started > LONGEST_RUN_MS) throw new Error(`${applicationId} came to no end`)
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
}

/** The markers of one transaction come into its partitions one after the other. */
async function isSettled(log: Log, outputs: readonly TopicPartition[]): Promise<boolean> {
  const ends = await log.offsets('end', outputs)
  const stable = await log.offsets('stable', outputs)
  return ends.every((end, index) => stable[index]! >= end)
}

function partitionsOf(topic: string, count: number): readonly TopicPartition[] {
  return Array.from({ length: count }, (_, partition) => ({ topic, partition }))
}

/** The marker of the writer's last transaction may stand behind the last reading. */
function isAtEnd(offset: bigint | null, end: bigint): boolean {
  return offset !== null && offset >= end - 1n
}

function timesOf(
  usage: UsageSampler,
  commits: readonly CommittedBatch<undefined>[],
  results: number,
): Omit<Trial, 'readings' | 'peakMegabytes'> {
  const first = usage.whenBrokerHadRead(MEGABYTE)
  const lastMs = commits.at(-1)?.committedAtMs
  if (first === undefined || lastMs === undefined)
    throw new Error('nothing was fetched, or nothing committed')
  const begin = usage.samples[0]!
  const end = usage.at(lastMs)
  return {
    seconds: (lastMs - first.atMs) / 1_000,
    startSeconds: (first.atMs - begin.atMs) / 1_000,
    secondHalfSeconds: (lastMs - halfwayMs(commits, results)) / 1_000,
    applicationCpu: end.applicationCpu - first.applicationCpu,
    brokerCpu: end.brokerCpu - first.brokerCpu,
    startCpu: first.applicationCpu,
  }
}

function halfwayMs(commits: readonly CommittedBatch<undefined>[], results: number): number {
  let there = 0
  const halfway = commits.find(({ records }) => (there += records.length) >= results / 2)
  return halfway!.committedAtMs
}
