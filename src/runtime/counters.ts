/**
 * Counts that are part of a task's committed state: exact over crashes, because what a record added is undone with the
 * record, and what was not committed is forgotten with the rest.
 */
import type { Counter } from '../topology/stage-context.ts'

/** Totals by name. Names of the engine are those of `EngineCount`; processors add their own. */
export type Counts = Readonly<Record<string, number>>

/**
 * What the engine counts. Every consumed record is exactly one of: worked, skipped, passed over, dead letter,
 * late.
 */
export type EngineCount =
  /** Records taken from the inputs. */
  | 'consumed'
  | 'deadLetters'
  /** Dropped under the policy `skip`. */
  | 'skipped'
  /** Late for all of their windows, whatever the reason. */
  | 'late'
  /** Of those: closed by idleness, or by the flush of a bounded run. */
  | 'lateIdle'
  | 'lateFlushed'
  /** Late for some windows, counted for others. */
  | 'partlyLate'
  /** In a replay: source records that it does not work. */
  | 'passedOver'
  /** In a replay: outputs outside of its range. */
  | 'withheld'
  /** Results of windows that closed and were sent on. */
  | 'results'

interface Total {
  value: number
}

export class Counters {
  private readonly totals = new Map<string, Total>()
  // Counted instead of emptied: setting an array's length costs more than the record's own counting.
  private readonly sinceUnit: Total[] = []
  private sinceUnitCount = 0

  constructor(resume: Counts = {}) {
    for (const [name, value] of Object.entries(resume)) this.totals.set(name, { value })
  }

  /** Begins an undo unit. */
  begin(): void {
    this.sinceUnitCount = 0
  }

  /** Takes back what was counted since `begin`. */
  rollback(): void {
    for (let index = 0; index < this.sinceUnitCount; index++) this.sinceUnit[index]!.value--
    this.sinceUnitCount = 0
  }

  /** Adds one, as part of the current unit. */
  increment(name: string): void {
    let total = this.totals.get(name)
    if (total === undefined) this.totals.set(name, (total = { value: 0 }))
    total.value++
    this.sinceUnit[this.sinceUnitCount++] = total
  }

  /** A handle for user code. */
  named(name: string): Counter {
    return { increment: () => this.increment(name) }
  }

  /** The totals now, by name in alphabetical order. */
  snapshot(): Counts {
    const totals = [...this.totals].sort(([a], [b]) => (a < b ? -1 : 1))
    return Object.fromEntries(totals.map(([name, { value }]) => [name, value]))
  }
}
