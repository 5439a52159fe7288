/** What the generator is asked for, from the settings; and how its work is shown. */
import type { GeneratorOptions } from '../sensors/generator.ts'
import type { CommandContext } from './command.ts'
import type { Settings } from './settings.ts'
import type { Progress } from './terminal.ts'
import { formatCount } from './text.ts'

/** The options that decide what is generated; where it begins and ends is not among them. */
export function contentOptions(settings: Settings): GeneratorOptions {
  return {
    sensors: settings.sensors,
    periodMs: settings.period,
    startMs: settings.start,
    seed: settings.seed,
    validRange: settings.validRange,
    rates: {
      outOfRange: settings.outOfRangeRate,
      missing: settings.missingRate,
      late: settings.lateRate,
      duplicate: settings.duplicateRate,
      corrupt: settings.corruptRate,
    },
  }
}

/** The same with `--count` and `--slots`. */
export function boundedOptions(settings: Settings): GeneratorOptions {
  const { count, slots } = settings
  return {
    ...contentOptions(settings),
    ...(count !== undefined && { records: count }),
    ...(slots !== undefined && { slots }),
  }
}

/** Time between two reports of work that has no end. */
const REPORT_MS = 10_000

/** Shows how generating goes: a bar where it has an end, else a line every ten seconds. */
export class GeneratorWatch {
  private readonly context: CommandContext
  private readonly bar: Progress
  private readonly total: number | undefined
  private reportedMs: number
  private reportedRecords = 0

  constructor(context: CommandContext) {
    const { settings, terminal, clock } = context
    this.context = context
    const bySlots = settings.slots === undefined ? Infinity : settings.slots * settings.sensors
    const total = Math.min(settings.count ?? Infinity, bySlots)
    this.total = total === Infinity ? undefined : total
    this.bar = terminal.progress('generating')
    this.reportedMs = clock.monotonic()
  }

  /** `records` are out by now. */
  update(records: number): void {
    if (this.total !== undefined) return this.bar.update(records, this.total, formatCount(records))
    const nowMs = this.context.clock.monotonic()
    const elapsedMs = nowMs - this.reportedMs
    if (elapsedMs < REPORT_MS) return
    const recordsPerSecond = Math.round((records - this.reportedRecords) / (elapsedMs / 1000))
    this.context.logger.info({ records, recordsPerSecond }, 'generating')
    this.reportedMs = nowMs
    this.reportedRecords = records
  }

  end(): void {
    this.bar.end()
  }
}
