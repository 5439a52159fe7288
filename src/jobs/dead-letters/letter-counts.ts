/** How many dead letters there are, by everything that tells them apart. */
import type { HandledMark, Handling } from './handled-marks.ts'
import type { Letter } from './letter.ts'

/** Whether anything was done with a letter, and what. */
export type LetterState = 'open' | Handling

/** How long ago a letter was given up: bounds in milliseconds, the next larger one not included. */
export const AGES = [
  { name: 'under 1 hour', fromMs: 0 },
  { name: '1 hour to 1 day', fromMs: 3_600_000 },
  { name: '1 to 7 days', fromMs: 86_400_000 },
  { name: '7 days and more', fromMs: 604_800_000 },
] as const

/** Under which the age of letters stands that do not say when they were given up. */
export const AGE_UNKNOWN = 'unknown'

/** The state of a letter with that mark. */
export function stateOf(mark: HandledMark | undefined): LetterState {
  return mark?.handling ?? 'open'
}

/** Counts; what is counted by code, stage and so on are the open ones, or all of them where that is asked for. */
export class LetterCounts {
  total = 0
  readonly states: Record<LetterState, number> = { open: 0, replayed: 0, parked: 0, discarded: 0 }
  readonly byCode = new Map<string, number>()
  readonly byStage = new Map<string, number>()
  readonly bySource = new Map<string, number>()
  readonly byPartition = new Map<string, number>()
  readonly byAge = new Map<string, number>()
  /** When the oldest of them was given up. */
  oldestMs = Infinity
  newestMs = -Infinity
  private readonly nowMs: number
  private readonly all: boolean

  constructor(nowMs: number, all: boolean) {
    this.nowMs = nowMs
    this.all = all
  }

  add(letter: Letter, mark: HandledMark | undefined): void {
    const state = stateOf(mark)
    this.total++
    this.states[state]++
    if (state !== 'open' && !this.all) return
    const { code, stage, source, partition, failedAtMs } = letter
    increment(this.byCode, code)
    increment(this.byStage, stage)
    increment(this.bySource, source.topic)
    increment(this.byPartition, String(partition))
    increment(this.byAge, failedAtMs === undefined ? AGE_UNKNOWN : ageOf(this.nowMs - failedAtMs))
    if (failedAtMs === undefined) return
    this.oldestMs = Math.min(this.oldestMs, failedAtMs)
    this.newestMs = Math.max(this.newestMs, failedAtMs)
  }
}

function ageOf(ms: number): string {
  return (AGES.findLast(({ fromMs }) => ms >= fromMs) ?? AGES[0]).name
}

function increment(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1)
}
