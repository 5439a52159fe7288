/**
 * Closes the windows of a task when time has passed them, in one order for all its windowed operators: by the time
 * (of the task's inputs) at which they close, then in the order of the topology; within a window by key bytes. Whatever
 * steps the time takes, the sequence of results is the same.
 *
 * `closedThroughMs` of the task never falls. Each operator's own closed-through time is that less the grace on the way
 * to it, or what a flush or silence has raised it to.
 */
import type { CachedWindowStore } from '../state/cached-window-store.ts'
import type { StoreEntry } from '../state/store-entry.ts'
import type { ClosedThrough, ClosingOperator } from '../topology/stage-context.ts'

/** What the commit entry keeps of an operator. */
export interface ClosingState {
  readonly closedThroughMs: number
  /** Through which time windows were closed by the flush of a bounded run. */
  readonly flushedThroughMs: number
  /** Results sent on so far: the position of the next one. */
  readonly results: number
  /** Windows that hold anything; only told, for status. */
  readonly openWindows: number
}

/** A windowed operator as the closer has it. */
export class ClosingWindows implements ClosedThrough {
  readonly name: string
  /** Its number among the task's windowed operators, in the order of the topology. */
  readonly number: number
  readonly pathGraceMs: number
  readonly operator: ClosingOperator
  readonly store: CachedWindowStore<unknown, unknown>
  closedThroughMs: number
  flushedThroughMs: number
  results: number

  constructor(
    place: { readonly name: string; readonly number: number; readonly pathGraceMs: number },
    operator: ClosingOperator,
    store: CachedWindowStore<unknown, unknown>,
    state: ClosingState | undefined,
  ) {
    this.name = place.name
    this.number = place.number
    this.pathGraceMs = place.pathGraceMs
    this.operator = operator
    this.store = store
    this.closedThroughMs = state?.closedThroughMs ?? -Infinity
    this.flushedThroughMs = state?.flushedThroughMs ?? -Infinity
    this.results = state?.results ?? 0
  }

  get state(): ClosingState {
    const { closedThroughMs, flushedThroughMs, results } = this
    return { closedThroughMs, flushedThroughMs, results, openWindows: this.store.openStartsMs.length }
  }

  /** The watermark behind this operator: no later result has an earlier time. */
  get outputWatermarkMs(): number {
    return this.closedThroughMs - this.operator.windows.graceMs
  }

  /** The time of the task's inputs at which the earliest open window closes; `Infinity` when none is open. */
  get nextCloseMs(): number {
    const startMs = this.store.earliestStartMs
    return startMs === undefined ? Infinity : this.operator.windows.closesAtMs(startMs) + this.pathGraceMs
  }
}

/** A window that is being closed. */
export interface ClosingWindow {
  readonly windows: ClosingWindows
  readonly startMs: number
  /** Why, where it is not the time: in a header of the results. */
  readonly cause: 'silence' | undefined
}

/** Sends one result on; false when it has to be tried again later, and nothing may go on before. */
export type EmitResult = (closing: ClosingWindow, entry: StoreEntry) => boolean

/** How far a closing got. */
export type CloseOutcome =
  | 'done'
  /** A result has to be tried again. */
  | 'retry'
  /** A window is not in memory: `loadNext` first. */
  | 'needs-load'

/** The windowed operators of one task, and the order in which their windows close. */
export class WindowCloser {
  private readonly all: ClosingWindows[] = []
  private readonly emit: EmitResult
  private throughMs: number

  constructor(emit: EmitResult, closedThroughMs: number) {
    this.emit = emit
    this.throughMs = closedThroughMs
  }

  /** Operators may register in any order; their numbers are the order of the topology. */
  register(windows: ClosingWindows): void {
    this.all.push(windows)
    this.all.sort((a, b) => a.number - b.number)
  }

  get operators(): readonly ClosingWindows[] {
    return this.all
  }

  /** The time of the inputs through which windows have closed because time passed. Never falls. */
  get closedThroughMs(): number {
    return this.throughMs
  }

  /** Closes everything due at `minimumMs`, the minimum of the inputs' watermarks. To be called again unless done. */
  advance(minimumMs: number): CloseOutcome {
    if (minimumMs > this.throughMs) this.throughMs = minimumMs
    return this.closeThrough(this.throughMs, undefined)
  }

  /** Closes every open window, and with them everything up to `atLeastMs`. To be called again unless done. */
  closeAll(atLeastMs: number, cause: 'flush' | 'silence'): CloseOutcome {
    const outcome = this.closeThrough(Infinity, cause === 'silence' ? cause : undefined)
    if (outcome !== 'done') return outcome
    if (atLeastMs > this.throughMs) this.throughMs = atLeastMs
    this.raiseOperators()
    if (cause === 'flush') for (const windows of this.all) windows.flushedThroughMs = windows.closedThroughMs
    return 'done'
  }

  /** Brings the window into memory that is to close next. */
  async loadNext(): Promise<void> {
    const next = this.earliest()
    if (next !== undefined) await next.store.loadWindow(next.store.earliestStartMs!)
  }

  private closeThrough(throughMs: number, cause: 'silence' | undefined): CloseOutcome {
    for (
      let next = this.earliest();
      next !== undefined && next.nextCloseMs <= throughMs;
      next = this.earliest()
    ) {
      const startMs = next.store.earliestStartMs!
      if (!next.store.isLoaded(startMs)) return 'needs-load'
      if (!this.closeWindow({ windows: next, startMs, cause })) return 'retry'
    }
    if (throughMs !== Infinity) this.raiseOperators()
    return 'done'
  }

  /** The operator whose earliest window closes first; of several the first in the topology. */
  private earliest(): ClosingWindows | undefined {
    let earliest: ClosingWindows | undefined
    for (const windows of this.all) {
      const closeMs = windows.nextCloseMs
      if (closeMs !== Infinity && (earliest === undefined || closeMs < earliest.nextCloseMs))
        earliest = windows
    }
    return earliest
  }

  private closeWindow(closing: ClosingWindow): boolean {
    const { windows, startMs } = closing
    for (const entry of windows.store.entriesOf(startMs)) {
      if (!this.emit(closing, entry)) return false
    }
    windows.store.dropWindow(startMs)
    // Only now: results of an operator in front may still fall into later windows of this one.
    windows.closedThroughMs = Math.max(windows.closedThroughMs, windows.operator.windows.closesAtMs(startMs))
    return true
  }

  private raiseOperators(): void {
    for (const windows of this.all) {
      const throughMs = this.throughMs - windows.pathGraceMs
      if (throughMs > windows.closedThroughMs) windows.closedThroughMs = throughMs
    }
  }
}
