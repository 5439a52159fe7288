/**
 * The inputs of one task: which record comes next, and what is known of time.
 *
 * A task whose operators depend on order takes the canonical order (time/canonical-order.ts): the head with the lowest
 * (merge time, channel), once every other channel that takes part has shown that nothing earlier can come. Any other
 * task takes records as they come. A channel that is left out (idle by a recorded decision, or ended in a run with
 * flush) is not waited for.
 *
 * What the wall clock decides is decided here and recorded: `decisions` collects it for the next commit. In a replay
 * recorded decisions are applied at the recorded positions, and none is made before they are used up.
 */
import { precedesAllOf } from '../time/canonical-order.ts'
import type { Decision, DecisionReplay } from '../time/decisions.ts'
import type { InputProgress } from '../time/input-progress.ts'
import type { InputChannel } from './input-channel.ts'
import type { InputRecord } from './input-record.ts'

export interface TaskInputsSpec {
  /** By channel number. */
  readonly channels: readonly InputChannel[]
  readonly progress: InputProgress
  /** Whether records are taken in canonical order. */
  readonly ordered: boolean
  /** Channels that are idle by a decision recorded earlier. */
  readonly idleChannels: readonly number[]
  readonly replay: DecisionReplay | undefined
  /** The time through which windows have closed so far, for the record of a decision. */
  readonly closedThroughMs: () => number
}

export class TaskInputs {
  readonly channels: readonly InputChannel[]
  readonly progress: InputProgress
  /** Decisions made or applied since the last commit took them. */
  decisions: Decision[] = []
  private readonly ordered: boolean
  private readonly replay: DecisionReplay | undefined
  private readonly closedThroughMs: () => number
  private readonly idle: Uint8Array
  private readonly ended: Uint8Array
  private idleCount = 0
  private endedCount = 0
  /** Where the search begins when records are taken as they come, so that no channel starves. */
  private turn = 0
  private lastTaken: InputRecord | undefined

  constructor(spec: TaskInputsSpec) {
    this.channels = spec.channels
    this.progress = spec.progress
    this.ordered = spec.ordered
    this.replay = spec.replay
    this.closedThroughMs = spec.closedThroughMs
    this.idle = new Uint8Array(spec.channels.length)
    this.ended = new Uint8Array(spec.channels.length)
    for (const channel of spec.idleChannels) this.setIdle(channel)
  }

  /** The next record to work, or `undefined` when nothing may be taken now. Call `took` when it has been worked. */
  next(): InputRecord | undefined {
    if (this.idleCount > 0) this.resumeIdle()
    if (this.channels.length === 1) return this.headOf(this.channels[0]!)
    return this.ordered ? this.nextInOrder() : this.nextAsItComes()
  }

  /** The record that `next` answered has been worked. */
  took(record: InputRecord, succeeded: boolean): void {
    this.channels[record.origin.channel]!.take(succeeded)
    this.lastTaken = record
  }

  /** Whether the record taken last and the next one of its channel come of the same source record. */
  get isWithinSource(): boolean {
    const { lastTaken } = this
    if (lastTaken === undefined) return false
    return this.channels[lastTaken.origin.channel]!.peek()?.position === lastTaken.position
  }

  /** A decision that is due in a replay; the caller applies it and then calls `applied`. */
  get dueDecision(): Decision | undefined {
    const { replay } = this
    if (replay?.next === undefined) return undefined
    for (const channel of this.channels) channel.peek()
    if (this.channels.some(({ isWithinSource }) => isWithinSource)) return undefined
    const due = replay.isDue((channel) => BigInt(this.channels[channel]!.position))
    return due ? replay.next : undefined
  }

  /** Applies what a replayed decision means for the inputs. */
  applyDue(decision: Decision): void {
    if (decision.kind === 'idle') this.setIdle(decision.channel)
    if (decision.kind === 'resumed') this.setActive(decision.channel)
    this.decisions.push(decision)
    this.replay!.applied()
  }

  /** Whether decisions are still being replayed, so that none may be made. */
  get isReplaying(): boolean {
    return this.replay?.next !== undefined
  }

  /** Decides, now, that a channel is idle. False where that is not possible now, or known. */
  decideIdle(channel: number): boolean {
    if (this.idle[channel] === 1 || !this.mayDecide) return false
    this.decisions.push({ kind: 'idle', channel, positions: this.positions() })
    this.setIdle(channel)
    return true
  }

  /** Whether positions can tell where a decision is taken. */
  private get mayDecide(): boolean {
    return !this.isReplaying && !this.channels.some(({ isWithinSource }) => isWithinSource)
  }

  /** Decides, now, about the channels whose senders say that they are silent. True when one was decided. */
  noteSilence(): boolean {
    const before = this.idleCount
    for (const channel of this.channels) {
      if (channel.saidIdle && !channel.hasSpoken) this.decideIdle(channel.origin.channel)
    }
    return this.idleCount > before
  }

  get allIdle(): boolean {
    return this.idleCount === this.channels.length
  }

  isIdle(channel: number): boolean {
    return this.idle[channel] === 1
  }

  get idleChannels(): readonly number[] {
    return this.channels.map((_, channel) => channel).filter((channel) => this.idle[channel] === 1)
  }

  /**
   * Notes which channels have reached the end of a run with flush, or stand at one that is replayed: they are left out
   * from here on. True when there were any.
   */
  noteEnds(): boolean {
    const before = this.endedCount
    const replaysFlush = this.replay?.next?.kind === 'flush'
    for (const channel of this.channels) {
      const { channel: number } = channel.origin
      const atEnd = channel.reachedEnd?.flush === true || (replaysFlush && this.isAtDecision(channel))
      if (this.ended[number] === 1 || !atEnd) continue
      this.ended[number] = 1
      this.endedCount++
      this.progress.leaveOut(number)
    }
    return this.endedCount > before
  }

  /** Whether all channels have reached the end of a run with flush. */
  get allEnded(): boolean {
    return this.endedCount === this.channels.length
  }

  /** The run is over: all channels take part again, at the watermarks they had. */
  clearEnds(): void {
    this.ended.fill(0)
    this.endedCount = 0
    for (let channel = 0; channel < this.channels.length; channel++) {
      if (this.idle[channel] === 0) this.progress.takeBack(channel)
    }
  }

  /** The next position of every channel. */
  positions(): readonly bigint[] {
    return this.channels.map((channel) => BigInt(channel.position))
  }

  private headOf(channel: InputChannel): InputRecord | undefined {
    const head = channel.peek()
    // What an idle channel delivers waits until it is taken back.
    if (head === undefined || this.idle[channel.origin.channel] === 1) return undefined
    if (this.isHeld(channel, head)) return undefined
    return head
  }

  /** Whether a record lies behind the end of the run or behind a decision that is still to be replayed. */
  private isHeld(channel: InputChannel, head: InputRecord): boolean {
    const { channel: number } = channel.origin
    if (this.ended[number] === 1 || channel.reachedEnd !== undefined) return true
    return this.replay !== undefined && this.replay.holds(number, BigInt(head.position))
  }

  private nextInOrder(): InputRecord | undefined {
    const best = this.bestHead()
    return best === undefined || this.blockerOf(best) !== undefined ? undefined : best
  }

  private bestHead(): InputRecord | undefined {
    let best: InputRecord | undefined
    for (const channel of this.channels) {
      const head = this.headOf(channel)
      // Channels are met in the order of their numbers, so an equal merge time does not displace the earlier one.
      if (head !== undefined && (best === undefined || head.mergeTimeMs < best.mergeTimeMs)) best = head
    }
    return best
  }

  /** A channel that may still deliver something that comes before `head`. */
  private blockerOf(head: InputRecord): number | undefined {
    for (const channel of this.channels) {
      const { channel: number } = channel.origin
      if (this.idle[number] === 1 || this.ended[number] === 1) continue
      if (channel.peek() !== undefined) continue
      if (this.isAtDecision(channel)) continue
      const watermarkMs = this.progress.watermarkMs(number)
      if (!precedesAllOf(head.mergeTimeMs, head.origin.channel, watermarkMs, number)) return number
    }
    return undefined
  }

  /** Whether a channel stands at the next decision of a replay: what follows belongs behind it. */
  private isAtDecision(channel: InputChannel): boolean {
    const { replay } = this
    if (replay === undefined || channel.isWithinSource) return false
    return replay.holds(channel.origin.channel, BigInt(channel.position))
  }

  private nextAsItComes(): InputRecord | undefined {
    const count = this.channels.length
    for (let step = 0; step < count; step++) {
      const index = (this.turn + step) % count
      const head = this.headOf(this.channels[index]!)
      if (head !== undefined) {
        this.turn = index
        return head
      }
    }
    return undefined
  }

  /** Takes idle channels that deliver again back in, and records where. */
  private resumeIdle(): void {
    if (!this.mayDecide) return
    for (let number = 0; number < this.channels.length; number++) {
      if (this.idle[number] === 0) continue
      const channel = this.channels[number]!
      // What a replay finds behind its end is not for it to decide about.
      if (this.replay !== undefined && channel.reachedEnd !== undefined) continue
      // Behind the last decision of a replay a marker may come that live came before it: only a record is news.
      const hasSpoken = this.replay === undefined ? channel.hasSpoken : channel.peek() !== undefined
      if (!hasSpoken) continue
      this.setActive(number)
      const closedThroughMs = this.closedThroughMs()
      this.decisions.push({ kind: 'resumed', channel: number, positions: this.positions(), closedThroughMs })
    }
  }

  private setIdle(channel: number): void {
    if (this.idle[channel] === 1) return
    this.idle[channel] = 1
    this.idleCount++
    this.progress.leaveOut(channel)
  }

  private setActive(channel: number): void {
    if (this.idle[channel] === 0) return
    this.idle[channel] = 0
    this.idleCount--
    if (this.ended[channel] === 0) this.progress.takeBack(channel)
  }
}
