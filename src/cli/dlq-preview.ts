/** What a replay would change: the windows of the readings that can be read now. */
import { codeOf, RecordError } from '../errors.ts'
import {
  AffectedWindows,
  type AffectedWindow,
  type SourceTime,
} from '../jobs/dead-letters/affected-windows.ts'
import type { JudgedLetter } from '../jobs/dead-letters/letter-scan.ts'
import type { Letter } from '../jobs/dead-letters/letter.ts'
import type { Log } from '../log/log.ts'
import { partitionForKey } from '../log/partitioner.ts'
import { INGESTED_AT } from '../runtime/header-names.ts'
import { withRetries } from '../runtime/retry.ts'
import { readStatus, type TaskStatus } from '../runtime/status.ts'
import type { Reading } from '../sensors/reading.ts'
import { eventTimeOf, requireSensorKey } from '../sensors/sensor-topology.ts'
import type { Serde } from '../serde/serde.ts'
import { TimeWindows } from '../time/windows.ts'
import type { CommandContext } from './command.ts'
import type { Settings } from './settings.ts'
import { openReadingSerde } from './value-format.ts'

/** Settings by which readings become windows. */
export const PREVIEW_SETTINGS = [
  'window',
  'advance',
  'grace',
  'outOfOrderness',
  'maxFutureSkew',
  'rekey',
  'registry',
  'valueFormat',
] as const

/** How long a registry that cannot be reached is tried. */
const PATIENCE_MS = 30_000

/** Gathers what readings would do that are put back. */
export class ReplayPreview {
  /** Readings that cannot be worked even now, by error. */
  readonly failsAgain = new Map<string, number>()
  private readonly context: CommandContext
  private readonly reading: Serde<Reading>
  private readonly affected: AffectedWindows

  private constructor(context: CommandContext, reading: Serde<Reading>, tasks: readonly TaskStatus[]) {
    const { window, advance, grace, outOfOrderness } = context.settings
    this.context = context
    this.reading = reading
    const windows = TimeWindows.ofSizeAndGrace(window, grace).advanceBy(advance ?? window)
    this.affected = new AffectedWindows(windows, outOfOrderness, ({ topic, partition, key }) =>
      sourceTimeOf(tasks, topic, partition, key),
    )
  }

  /** Reads how far the application is. */
  static async open(context: CommandContext, log: Log): Promise<ReplayPreview> {
    const { topic, applicationId } = context.settings
    const { tasks } = await readStatus(log, applicationId)
    return new ReplayPreview(context, await openReadingSerde(context, topic), tasks)
  }

  /** By time, then by sensor. */
  get windows(): readonly AffectedWindow[] {
    return this.affected.list()
  }

  /** Takes the letters that would be put back, in the order of the replay. */
  async add(judged: readonly JudgedLetter[]): Promise<void> {
    const returning = judged.flatMap(({ letter, verdict }) =>
      verdict.kind === 'handle' && verdict.how === 'replayed' ? [{ letter, verdict }] : [],
    )
    await this.fetchSchemas(returning.map(({ letter }) => letter))
    for (const { letter, verdict } of returning) {
      const { topic, partition } = verdict
      try {
        const { sensorId: key, timestamp: timestampMs } = this.read(letter)
        this.affected.add({ topic, partition, key, timestampMs })
      } catch (error) {
        const code = codeOf(error, 'RECORD_UNREADABLE')
        this.failsAgain.set(code, (this.failsAgain.get(code) ?? 0) + 1)
      }
    }
  }

  /** As the application reads it: value, event time, key, and how far ahead of its arrival it is. */
  private read({ key, value, headers }: Letter): Reading {
    const reading = value === null ? null : this.reading.deserialize(value, 0, value.length)
    const timeMs = eventTimeOf(reading)
    checkFutureSkew(
      this.context.settings,
      timeMs,
      headers.find((header) => header.key === INGESTED_AT)?.value,
    )
    if (!this.context.settings.rekey) requireSensorKey(key?.toString('utf8') ?? null, reading!)
    return reading!
  }

  private async fetchSchemas(letters: readonly Letter[]): Promise<void> {
    const { lookup } = this.reading
    if (lookup === undefined) return
    let missing = false
    for (const { value } of letters)
      if (value !== null && lookup.missing(value, 0, value.length)) missing = true
    if (missing) await withRetries(this.context, PATIENCE_MS, () => lookup.fetch())
  }
}

function checkFutureSkew(
  { maxFutureSkew }: Settings,
  timeMs: number,
  ingestedAt: Buffer | null | undefined,
): void {
  const digits = ingestedAt?.toString('latin1') ?? ''
  if (maxFutureSkew === null || !/^\d{1,16}$/.test(digits)) return
  if (timeMs <= Number(digits) + maxFutureSkew) return
  throw new RecordError(
    'TIMESTAMP_TOO_FAR_AHEAD',
    `event time ${timeMs} is too far ahead of its arrival at ${digits}`,
  )
}

/**
 * How far the task is that reads a source partition, and through which time the windows of the key are closed: by the
 * same task, or, behind a repartition, by the one that has the key.
 */
function sourceTimeOf(
  tasks: readonly TaskStatus[],
  topic: string,
  partition: number,
  key: string,
): SourceTime {
  const reads = tasks.find(({ inputs }) =>
    inputs.some((input) => input.topic === topic && input.partition === partition),
  )
  const input = reads?.inputs.find((one) => one.topic === topic && one.partition === partition)
  const watermarkMs = input?.watermarkMs ?? -Infinity
  if (reads?.closedThroughMs !== undefined) return { watermarkMs, closedThroughMs: reads.closedThroughMs }
  const closing = tasks.filter(({ closedThroughMs }) => closedThroughMs !== undefined)
  const closer = closing[closing.length === 0 ? 0 : partitionForKey(key, closing.length)]
  return { watermarkMs, closedThroughMs: closer?.closedThroughMs ?? -Infinity }
}
