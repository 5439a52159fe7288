/** Which windows the readings among dead letters belong to, and whether these would still take them. Pure. */
import type { TimeWindows } from '../../time/windows.ts'

/** How far a partition of a source topic is. */
export interface SourceTime {
  /** Its watermark; minus infinity before its first record. */
  readonly watermarkMs: number
  /** Through which time windows of the key have been closed, by time or by decision. */
  readonly closedThroughMs: number
}

/** A reading that would be put back. */
export interface ReturningReading {
  readonly topic: string
  readonly partition: number
  readonly key: string
  readonly timestampMs: number
}

/** A window that returning readings belong to. */
export interface AffectedWindow {
  readonly key: string
  readonly startMs: number
  readonly endMs: number
  readonly readings: number
  /** Of these: how many would come too late for it. */
  readonly late: number
}

/** Gathers the windows of readings, given in the order in which they would be put back. */
export class AffectedWindows {
  private readonly windows: TimeWindows
  private readonly outOfOrdernessMs: number
  private readonly timeOf: (reading: ReturningReading) => SourceTime
  /** Watermarks of partitions as the readings themselves move them. */
  private readonly moved = new Map<string, number>()
  private readonly found = new Map<string, { -readonly [K in keyof AffectedWindow]: AffectedWindow[K] }>()

  constructor(
    windows: TimeWindows,
    outOfOrdernessMs: number,
    timeOf: (reading: ReturningReading) => SourceTime,
  ) {
    this.windows = windows
    this.outOfOrdernessMs = outOfOrdernessMs
    this.timeOf = timeOf
  }

  add(reading: ReturningReading): void {
    const { topic, partition, key, timestampMs } = reading
    const { watermarkMs, closedThroughMs } = this.timeOf(reading)
    const place = `${topic}/${partition}`
    const beforeMs = Math.max(watermarkMs, this.moved.get(place) ?? -Infinity)
    this.moved.set(place, Math.max(beforeMs, timestampMs - this.outOfOrdernessMs))
    for (const { startMs, endMs } of this.windows.windowsFor(timestampMs)) {
      const name = `${startMs} ${key}`
      const window = this.found.get(name) ?? { key, startMs, endMs, readings: 0, late: 0 }
      window.readings++
      if (this.windows.closesAtMs(startMs) <= Math.max(beforeMs, closedThroughMs)) window.late++
      this.found.set(name, window)
    }
  }

  /** By time, then by key. */
  list(): readonly AffectedWindow[] {
    return [...this.found.values()].sort((a, b) => a.startMs - b.startMs || (a.key < b.key ? -1 : 1))
  }
}
