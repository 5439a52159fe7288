/**
 * Readings that come at a steady pace: how long after the reading that closes a window its results can be read, and how
 * long nothing comes when the application is killed.
 *
 * Both ends of a latency are times of the broker's clock: when it appended the closing reading (the input has
 * LogAppendTime), and when it wrote the marker behind which the result can be read committed.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { RecordBatchBuilder, type Log, type LogProducer } from '../../src/index.ts'
import { commitsOfTopic, eachRecord, type CommittedBatch } from './broker-files.ts'
import type { Contender, Program, Task } from './contender.ts'
import { differences, expectedResults } from './expected.ts'
import type { ValueFormat } from './formats.ts'
import type { Readings } from './readings.ts'
import { readResults, removeTraces, renew } from './topics.ts'
import { start, untilWorked, type Arena } from './trial.ts'

/** How a paced run is made. */
export interface Pace {
  /** Readings a second. */
  readonly rate: number
  /** Results are left out that could be made earlier: the programs start and warm up. */
  readonly warmUpSeconds: number
  /** When the application is killed and started again at once, after the first reading; `undefined`: never. */
  readonly killAfterSeconds?: number
}

/** What a paced run showed. */
export interface PacedTrial {
  /** Of each result, in milliseconds, ascending. */
  readonly latenciesMs: readonly number[]
  /** From the kill to the first result that the new process committed. */
  readonly recoverySeconds: number | undefined
}

const TICK_MS = 10
/** Commits of the killed process may still be completed by the broker. No program starts and commits as fast. */
const NOT_BEFORE_MS = 200

/** Runs a contender on readings as they come, checks its results, removes what it left. */
export async function runPaced(
  arena: Arena,
  contender: Contender,
  task: Task,
  readings: Readings,
  pace: Pace,
): Promise<PacedTrial> {
  const { log, partitions, brokerData } = arena
  const { input, output } = task
  const settings = { timestampType: 'append' } as const
  await renew(log, [output, input, `${input}.late`, `${input}.dlq`], partitions, { [input]: settings })
  const folder = mkdtempSync(path.join(tmpdir(), 'millrace-bench-run-'))
  let programs = start(contender, task, folder)
  try {
    const startedMs = Date.now()
    let killedMs: number | undefined
    await append(log, task, readings, pace.rate, async (elapsedMs) => {
      for (const program of programs) program.requireRunning()
      const due = killedMs === undefined && elapsedMs >= (pace.killAfterSeconds ?? Infinity) * 1_000
      if (!due) return
      killedMs = Date.now()
      await Promise.all(programs.map((program) => program.kill()))
      programs = start(contender, task, folder)
    })
    await untilWorked(arena, task, programs)
    await requireRight(arena, contender, task, readings)
    const commits = commitsOfTopic(brokerData, output, partitions, (cursor) => cursor.key()!.toString())
    const fromMs = startedMs + pace.warmUpSeconds * 1_000
    return {
      latenciesMs: latencies(commits, closingTimes(arena, task), fromMs, readings, task.windowMs),
      recoverySeconds: killedMs === undefined ? undefined : recovery(commits, killedMs),
    }
  } finally {
    await Promise.all(programs.map((program: Program) => program.stop()))
    await removeTraces(log, task.applicationId).catch(() => undefined)
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Appends all readings; what a late tick missed comes with the next one. */
async function append(
  log: Log,
  { input: topic, format }: Task,
  readings: Readings,
  rate: number,
  onTick: (elapsedMs: number) => Promise<void>,
): Promise<void> {
  const producer = await log.producer({
    transactionalId: `pace-of-${topic}`,
    unsafeWithoutTransactions: true,
  })
  const started = performance.now()
  for (let next = 0; next < readings.count;) {
    const elapsedMs = performance.now() - started
    const due = Math.min(readings.count, Math.floor((elapsedMs * rate) / 1_000))
    if (due > next) await appendSome(producer, { topic, format }, readings, next, due)
    next = Math.max(next, due)
    await onTick(elapsedMs)
    await new Promise((resolve) => setTimeout(resolve, TICK_MS))
  }
  await producer.close()
}

async function appendSome(
  producer: LogProducer,
  { topic, format }: { readonly topic: string; readonly format: ValueFormat },
  readings: Readings,
  from: number,
  to: number,
): Promise<void> {
  const { partitions } = readings.workload
  const filling = Array.from({ length: partitions }, () => new RecordBatchBuilder())
  for (let index = from; index < to; index++) {
    const reading = readings.at(index)
    filling[reading.partition]!.append(reading.timestamp, reading.sensorId, format.encodeReading(reading))
  }
  const batches = filling.map((records, partition) => ({ topic, partition, records }))
  producer.begin()
  await producer.send(batches.filter(({ records }) => records.count > 0))
  await producer.commit()
}

async function requireRight(
  { log, partitions }: Arena,
  { label }: Contender,
  task: Task,
  readings: Readings,
): Promise<void> {
  const wrong = differences(
    await readResults(log, task.output, partitions, task.format),
    expectedResults(readings, task),
  )
  if (wrong.length > 0) throw new Error(`${label} gave wrong results:\n${wrong.join('\n')}`)
}

/** By partition: when the reading was appended that closes the windows that end at a time. */
function closingTimes({ brokerData, partitions }: Arena, task: Task): readonly ReadonlyMap<number, number>[] {
  const { input, windowMs, graceMs, format } = task
  return Array.from({ length: partitions }, (_, partition) => {
    const closedAt = new Map<number, number>()
    let nextEndMs: number | undefined
    eachRecord(brokerData, input, partition, (cursor) => {
      const timestamp = format.eventTimeOf(cursor.value()!)
      nextEndMs ??= Math.floor(timestamp / windowMs) * windowMs
      for (; nextEndMs + graceMs <= timestamp; nextEndMs += windowMs)
        closedAt.set(nextEndMs, cursor.timestampMs)
    })
    return closedAt
  })
}

function latencies(
  commits: readonly CommittedBatch<string>[],
  closings: readonly ReadonlyMap<number, number>[],
  fromMs: number,
  readings: Readings,
  windowMs: number,
): readonly number[] {
  const found: number[] = []
  for (const { committedAtMs, records } of commits) {
    for (const key of records) {
      const at = key.lastIndexOf('@')
      const partition = readings.partitionOf(key.slice(0, at))
      const closedAtMs = closings[partition]!.get(Number(key.slice(at + 1)) + windowMs)
      if (closedAtMs !== undefined && closedAtMs >= fromMs) found.push(committedAtMs - closedAtMs)
    }
  }
  return found.sort((a, b) => a - b)
}

function recovery(commits: readonly CommittedBatch<string>[], killedMs: number): number {
  const first = commits.find(({ committedAtMs }) => committedAtMs > killedMs + NOT_BEFORE_MS)
  if (first === undefined) throw new Error('nothing was committed after the kill')
  return (first.committedAtMs - killedMs) / 1_000
}

/** The value below which a share of them lies; of numbers in ascending order, at least one. */
export function percentile(ascending: readonly number[], share: number): number {
  return ascending[Math.min(ascending.length - 1, Math.ceil(ascending.length * share) - 1)]!
}
