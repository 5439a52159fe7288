/**
 * A task: one partition of a sub-topology, with its inputs, operators, stores and outputs. Everything here is
 * synchronous except bringing closed windows into memory; reading, committing and restoring are done around it.
 *
 * One step: take the next record (or nothing), close the windows that are due before it, work it as one unit. Then the
 * next. Steps between which a task can be stopped, committed and taken over are what the same log always leads through
 * in the same order.
 */
import { assert } from '../assert.ts'
import type { Clock } from '../clock.ts'
import type { StoreEntry } from '../state/store-entry.ts'
import type { DecisionReplay } from '../time/decisions.ts'
import { CLOSED_BY } from './header-names.ts'
import type { FetchedChunk } from '../log/log.ts'
import type { ChannelEnd } from './input-channel.ts'
import type { InputRecord } from './input-record.ts'
import type { RepartitionSender } from './repartition-sender.ts'
import { deadLetterOf, deadLetterOfResult } from './side-outputs.ts'
import { type TaskId, taskName } from './task-id.ts'
import type { TaskInputs } from './task-inputs.ts'
import type { TaskParts } from './task-parts.ts'
import { transition, type TaskState } from './task-state.ts'
import type { ClosingWindow, WindowCloser } from './window-closer.ts'

/** Why a task has stopped working for now. */
export type ProcessOutcome =
  /** The budget is used up; there may be more. */
  | 'more'
  /** Nothing may be taken until something arrives or is decided. */
  | 'starved'
  /** A unit has to be tried again at `retryAtMs`. */
  | 'retry'
  /** `loadWindows` is needed before anything else. */
  | 'needs-load'

interface ClosingAll {
  readonly cause: 'flush' | 'silence'
  /** How far windows have closed afterwards, at least. */
  readonly throughMs: number
  /** It ends the present bounded run; else it was decided in an earlier one, and is repeated. */
  readonly endsRun: boolean
}

/** One task; driven by its worker, never by itself. */
export class StreamTask {
  readonly id: TaskId
  readonly name: string
  readonly inputs: TaskInputs
  readonly closer: WindowCloser
  readonly parts: TaskParts
  private readonly clock: Clock
  private readonly replay: DecisionReplay | undefined
  private currentState: TaskState = 'created'
  /** All open windows are being closed, by this. */
  private closingAll: ClosingAll | undefined
  /** Bounded run under way in which this task still has to reach its end. */
  private run: ChannelEnd | undefined
  private runFinished: number
  /** The end markers of a finished run have not been sent yet. */
  private endToTell: ChannelEnd | undefined
  private changedSinceCommit = false
  /** Records worked so far. */
  worked = 0

  constructor(id: TaskId, parts: TaskParts) {
    this.id = id
    this.name = taskName(id)
    this.parts = parts
    this.inputs = parts.inputs
    this.closer = parts.closer
    this.clock = parts.clock
    this.replay = parts.replay
    this.runFinished = parts.finishedRun
    parts.attach((closing, entry) => this.emitResult(closing, entry))
  }

  get state(): TaskState {
    return this.currentState
  }

  goTo(state: TaskState): void {
    this.currentState = transition(this.name, this.currentState, state)
  }

  /** The number of the last bounded run that this task has finished. */
  get finishedRun(): number {
    return this.runFinished
  }

  /** Begins, or goes on with, a bounded run; `undefined` when the present run has no end. */
  expectRun(run: ChannelEnd | undefined): void {
    this.run = run !== undefined && run.run > this.runFinished ? run : undefined
  }

  /** Whether there is no bounded run, or this task is done with it. */
  get isDone(): boolean {
    return this.run === undefined
  }

  /** Whether a commit would write anything. */
  get hasChanges(): boolean {
    return this.changedSinceCommit || this.inputs.decisions.length > 0 || this.endToTell !== undefined
  }

  /** While all windows are being closed at once, a commit in the middle could not be told from the end of it. */
  get mayCommit(): boolean {
    return this.closingAll === undefined
  }

  /** When to go on after `retry`, by the monotonic clock. */
  get retryAtMs(): number {
    return this.parts.runner.retryAtMs
  }

  /** Takes what was fetched of one of its inputs: a source topic or a repartition node. */
  add(input: string, chunk: FetchedChunk): void {
    const { sources, repartitions } = this.parts.built
    const target = sources.get(input) ?? repartitions.get(input)
    assert(target !== undefined, 'chunks are added to inputs of the task')
    const before = target.fetchPosition
    target.add(chunk)
    // Also without records: positions move over markers, and markers of repartition topics move time.
    if (target.fetchPosition > before) this.changedSinceCommit = true
  }

  /** Works up to `budget` records. */
  process(budget: number): ProcessOutcome {
    assert(this.currentState === 'running', 'only a running task works')
    if (this.clock.monotonic() < this.parts.runner.retryAtMs) return 'retry'
    for (let left = budget; left > 0 || this.inputs.isWithinSource; left--) {
      if (this.closingAll !== undefined) {
        const outcome = this.closeAll(this.closingAll)
        if (outcome !== 'done') return outcome
      }
      const record = this.inputs.next()
      const closed = this.closeDue()
      if (closed !== 'done') return closed
      if (record === undefined) {
        if (this.decide()) continue
        return 'starved'
      }
      if (!this.work(record)) return 'retry'
    }
    return 'more'
  }

  /** All open windows close because everything has been silent for long. */
  closeAfterSilence(): void {
    if (this.closingAll !== undefined || this.inputs.isReplaying) return
    if (this.closer.operators.every(({ nextCloseMs }) => nextCloseMs === Infinity)) return
    this.inputs.decisions.push({ kind: 'silence', positions: this.inputs.positions(), ...this.closedBy() })
    this.closingAll = { cause: 'silence', throughMs: this.closedBy().closedThroughMs, endsRun: false }
  }

  /** Brings the windows into memory that could not be closed without. */
  async loadWindows(): Promise<void> {
    await this.closer.loadNext()
  }

  /** Adds what a commit sends besides what was collected: markers, behind everything else. */
  completeOutputs(): void {
    const { collector, senders } = this.parts
    for (const sender of senders) this.addMarkers(sender, collector)
    this.endToTell = undefined
    this.changedSinceCommit = false
  }

  private addMarkers(sender: RepartitionSender, collector: TaskParts['collector']): void {
    sender.addMarkers(collector, this.inputs, this.closer.operators, this.endToTell)
  }

  /** Closes what is due at the time the inputs have reached; in a replay just as far as live had closed by then. */
  private closeDue(): 'done' | 'retry' | 'needs-load' {
    const { minimumMs } = this.inputs.progress
    const throughMs = this.replay === undefined ? minimumMs : this.replayedThroughMs(this.replay, minimumMs)
    const outcome = this.closer.advance(throughMs)
    if (outcome !== 'done') this.changedSinceCommit = true
    return outcome
  }

  /**
   * A channel may come back behind windows that live had closed by a marker which the replay has not read yet: markers
   * have no positions to wait for. What was closed by then is recorded, and closes before the channel takes part.
   */
  private replayedThroughMs(replay: DecisionReplay, minimumMs: number): number {
    const due = this.inputs.dueDecision
    const reachedMs = Math.min(minimumMs, replay.closedThroughLimitMs)
    return due?.kind === 'resumed' ? Math.max(reachedMs, due.closedThroughMs) : reachedMs
  }

  /** Applies what can be decided when no record may be taken; true when that may have made one takeable. */
  private decide(): boolean {
    const { inputs } = this
    const due = inputs.dueDecision
    if (due !== undefined) {
      inputs.applyDue(due)
      if (due.kind === 'flush' || due.kind === 'silence') {
        this.closingAll = { cause: due.kind, throughMs: due.closedThroughMs, endsRun: false }
      }
      return true
    }
    if (inputs.isReplaying) return inputs.noteEnds()
    if (this.run === undefined) return this.parts.decidesIdleness && inputs.noteSilence()
    return this.run.flush ? this.flushAtEnd(this.run) : this.stopAtEnd()
  }

  private flushAtEnd(run: ChannelEnd): boolean {
    const { inputs } = this
    const found = inputs.noteEnds()
    if (!inputs.allEnded) return found
    inputs.decisions.push({ kind: 'flush', run: run.run, positions: inputs.positions(), ...this.closedBy() })
    this.closingAll = { cause: 'flush', throughMs: this.closedBy().closedThroughMs, endsRun: true }
    return true
  }

  /** The end of a run without flush: what is held stays unconsumed, what is open stays open. */
  private stopAtEnd(): boolean {
    const arrived = this.inputs.channels.every((channel) => channel.endArrived)
    if (arrived && !this.parts.needsRewind()) this.finishRun()
    return false
  }

  /** How far windows will have closed when all are: everything that any input has reached. */
  private closedBy(): { closedThroughMs: number } {
    return { closedThroughMs: Math.max(this.closer.closedThroughMs, this.inputs.progress.maximumMs) }
  }

  private closeAll({ cause, throughMs, endsRun }: ClosingAll): 'done' | 'retry' | 'needs-load' {
    const outcome = this.closer.closeAll(throughMs, cause)
    this.changedSinceCommit = true
    if (outcome !== 'done') return outcome
    this.closingAll = undefined
    if (cause === 'flush') {
      this.inputs.clearEnds()
      if (endsRun) this.finishRun()
    }
    return 'done'
  }

  private finishRun(): void {
    if (this.run === undefined) return
    this.runFinished = this.run.run
    this.endToTell = this.run
    this.run = undefined
    this.parts.expectRunOfChannels(undefined)
  }

  /** False when the record has to be tried again. */
  private work(record: InputRecord): boolean {
    const { unit, runner, counters, entrances } = this.parts
    unit.beginRecord(record, this.closer.closedThroughMs)
    runner.begin()
    if (this.parts.accepts?.(record) === false) counters.increment('passedOver')
    else if (record.failure !== undefined) unit.failure = record.failure
    else entrances[record.origin.channel]!.next(record)
    const { clock, maxRecordBytes } = this.parts
    // The common case first, and without making anything.
    const outcome = unit.failed
      ? runner.end({
          attempt: record.attempt,
          deadLetter: (failure) => deadLetterOf(record, failure, clock, maxRecordBytes),
        })
      : 'worked'
    if (outcome === 'retry') {
      record.attempt++
      return false
    }
    this.worked++
    counters.increment('consumed')
    this.inputs.took(record, outcome === 'worked')
    this.changedSinceCommit = true
    return true
  }

  /** Sends a window's result on and deletes it, as one unit; a failed result is deleted and becomes a dead letter. */
  private emitResult({ windows, startMs, cause }: ClosingWindow, entry: StoreEntry): boolean {
    const { unit, runner, counters, clock, maxRecordBytes } = this.parts
    const { operator, store } = windows
    const { endMs } = operator.windows.windowAt(startMs)
    const { key, value } = entry
    const place = {
      topic: this.parts.resultsTopic(windows.name),
      partition: this.id.partition,
      position: windows.results,
    }
    unit.beginResult({
      ...place,
      operator: windows.number,
      key,
      timestampMs: endMs - 1,
      decidedThroughMs: this.closer.closedThroughMs,
      isReplay: this.parts.isReplay,
      headers: cause === undefined ? [] : [{ key: CLOSED_BY, value: Buffer.from(cause) }],
    })
    runner.begin()
    store.takeOut(entry)
    this.changedSinceCommit = true
    if (!operator.emits) return true
    operator.emitResult(key, startMs, value)
    const outcome = unit.failed
      ? runner.end({
          attempt: this.parts.attempts.of(entry),
          whenDropped: () => store.takeOut(entry),
          deadLetter: (failure) => {
            const result = { ...place, key: store.plainKey(entry), value: bytesOf(store.encode(value)) }
            const window = { timestampMs: endMs - 1, windowStartMs: startMs, windowEndMs: endMs }
            return deadLetterOfResult({ ...result, ...window }, failure, clock, maxRecordBytes)
          },
        })
      : 'worked'
    if (outcome === 'retry') {
      this.parts.attempts.failed(entry)
      return false
    }
    this.parts.attempts.forget(entry)
    if (outcome === 'worked') counters.increment('results')
    windows.results++
    return true
  }
}

function bytesOf(encoded: Buffer | string): Buffer {
  return typeof encoded === 'string' ? Buffer.from(encoded) : encoded
}
