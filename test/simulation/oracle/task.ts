/** One task: takes records in order, closes windows, obeys recorded decisions. */
import type { Scenario } from '../scenario.ts'
import { compareUtf8 } from './arithmetic.ts'
import { SourceChannel, type Channel, type Head } from './channel.ts'
import type { Network } from './network.ts'
import { Pipeline, type Unit, type WindowState } from './pipeline.ts'
import type { Origin, Plan, SubTopology } from './plan.ts'
import type { ExpectedChannel, ExpectedRecord, RecordedDecision } from './run.ts'

/** A window that can close: its operator and start. */
interface DueWindow {
  readonly state: WindowState
  readonly startMs: number
  /** When the task's minimum closes it. */
  readonly dueMs: number
}

/** One partition of a sub-topology, over all phases of a run. */
export class Task {
  readonly pipeline: Pipeline
  readonly channels: readonly Channel[]
  private readonly plan: Plan
  private readonly subTopology: SubTopology
  private readonly partition: number
  private readonly network: Network
  private readonly decisions: RecordedDecision[]
  private closedThroughMs = -Infinity

  constructor(
    scenario: Scenario,
    plan: Plan,
    place: { readonly subTopology: SubTopology; readonly partition: number },
    network: Network,
    run: { readonly out: ExpectedRecord[]; readonly decisions: readonly RecordedDecision[] },
  ) {
    this.plan = plan
    this.subTopology = place.subTopology
    this.partition = place.partition
    this.network = network
    this.decisions = [...run.decisions]
    this.pipeline = new Pipeline(scenario, plan, place, network, run.out)
    this.channels = plan.channelsOf(place.subTopology, place.partition).map((channel) => {
      if (channel.node.kind === 'repartition') return network.connect(channel, place.partition)
      const source = scenario.sources.find(({ topic }) => topic === channel.input)!
      return new SourceChannel(channel, source.partitions[place.partition]!, scenario.outOfOrdernessMs)
    })
  }

  /**
   * Works what is there. With `flush`, channels end where their records end, and in the end everything
   * closes.
   */
  runPhase(phase: number, ends: Readonly<Record<string, number>>, flush: boolean): void {
    for (const channel of this.channels) {
      if (!(channel instanceof SourceChannel)) continue
      const { topic, partition } = channel.plan.origin
      channel.makeAvailable(ends[`${topic}/${partition}`] ?? channel.position + channel.held)
    }
    for (;;) {
      this.obeyDecisions(phase)
      const channel = this.subTopology.ordered ? this.nextInOrder(flush) : this.nextOfAny()
      if (channel === undefined) break
      // What an unordered task closes between records can be seen nowhere: it closes at the end of the phase.
      if (this.subTopology.ordered) this.closeThrough(this.minimumMs(flush))
      this.take(channel)
    }
    if (flush) this.flush()
    else this.closeThrough(this.minimumMs(false))
    this.sendMarkers()
  }

  /** How far the channels got. */
  progress(): readonly ExpectedChannel[] {
    return this.channels.map(({ plan, taken, held, watermarkMs }) => ({
      number: plan.number,
      input: plan.input,
      originTopic: plan.origin.topic,
      originPartition: plan.origin.partition,
      path: plan.origin.path,
      consumed: taken,
      held,
      watermarkMs: Number.isFinite(watermarkMs) ? watermarkMs : null,
    }))
  }

  /** Whether the order waits for a channel, and the minimum counts it. */
  private takesPart(channel: Channel, flush: boolean): boolean {
    return !channel.idle && !(flush && channel.head === undefined)
  }

  /**
   * The minimum of the watermarks; the maximum where all inputs are idle; minus infinity where all have
   * ended.
   */
  private minimumMs(flush: boolean): number {
    const taking = this.channels.filter((channel) => this.takesPart(channel, flush))
    if (taking.length > 0) return Math.min(...taking.map((channel) => channel.watermarkMs))
    if (this.channels.some((channel) => !channel.idle)) return -Infinity
    return Math.max(...this.channels.map((channel) => channel.watermarkMs))
  }

  /** The channel whose record comes next in the canonical order, if all that could come earlier is known. */
  private nextInOrder(flush: boolean): Channel | undefined {
    let next: Channel | undefined
    let nextMs = Infinity
    for (const channel of this.channels) {
      if (!this.takesPart(channel, flush)) continue
      // Without a record, the earliest that can come has the watermark as its place.
      const mergeMs = channel.head?.mergeMs ?? channel.watermarkMs
      if (next !== undefined && mergeMs >= nextMs) continue
      next = channel
      nextMs = mergeMs
    }
    if (next?.head === undefined) return undefined
    const decision = this.decisions[0]
    if (decision === undefined || next.head.offset < decision.positions[next.plan.number]!) return next
    // What comes behind the decision waits for the phase in which it was made.
    return this.isDue(decision, Infinity) ? undefined : this.refuse(decision)
  }

  /** Any channel that has a record in front of the next decision. */
  private nextOfAny(): Channel | undefined {
    const decision = this.decisions[0]
    const ready = this.channels.filter((channel) => !channel.idle && channel.head !== undefined)
    const next = ready.find(({ head, plan }) => {
      return decision === undefined || head!.offset < decision.positions[plan.number]!
    })
    if (next === undefined && ready.length > 0 && !this.isDue(decision!, Infinity)) this.refuse(decision!)
    return next
  }

  private refuse(decision: RecordedDecision): never {
    throw new Error(
      `${this.pipeline.name}: the order never comes by the decision ${JSON.stringify(decision)}`,
    )
  }

  private take(channel: Channel): void {
    const head = channel.head!
    const { node } = channel.plan
    const outcome = this.pipeline.workRecord(this.unitOf(channel, head), node, head.decoded, head.code)
    channel.take(outcome === 'worked')
  }

  private unitOf({ plan }: Channel, head: Head): Unit {
    const { topic, partition, path } = plan.origin
    const sentOn = plan.node.kind === 'repartition' ? [...path, this.pipeline.name] : path
    return {
      watermarkMs: head.watermarkMs,
      mergeMs: head.mergeMs,
      offset: head.offset,
      origin: { topic, partition, path: sentOn },
      expiryMs: Math.max(head.watermarkMs, this.closedThroughMs),
      lane: `channel ${plan.number}`,
      ...head.record,
    }
  }

  private obeyDecisions(phase: number): void {
    for (let next = this.decisions[0]; next !== undefined; next = this.decisions[0]) {
      if (!this.isDue(next, phase)) return
      this.decisions.shift()
      this.channels[next.channel]!.idle = next.kind === 'idle'
      if (next.kind === 'resumed') this.closeThrough(next.closedThroughMs)
    }
  }

  private isDue(decision: RecordedDecision, phase: number): boolean {
    if ((decision.phase ?? 0) > phase) return false
    return this.channels.every((channel) => channel.position >= decision.positions[channel.plan.number]!)
  }

  /** Closes every window that this minimum closes, in order, then raises the closed-through times. */
  private closeThrough(minimumMs: number): void {
    if (minimumMs <= this.closedThroughMs) return
    this.closeDueWindows(minimumMs)
    this.raiseClosedThrough(minimumMs)
  }

  private closeDueWindows(minimumMs: number): void {
    for (let due = this.nextDue(minimumMs); due !== undefined; due = this.nextDue(minimumMs)) this.close(due)
  }

  private raiseClosedThrough(throughMs: number): void {
    this.closedThroughMs = Math.max(this.closedThroughMs, throughMs)
    for (const state of this.pipeline.windows) {
      state.closedThroughMs = Math.max(state.closedThroughMs, this.closedThroughMs - state.pathGraceMs)
    }
  }

  /** The first of the open windows by (when it is due, operator, start), if it is due. */
  private nextDue(minimumMs: number): DueWindow | undefined {
    let first: DueWindow | undefined
    for (const state of this.pipeline.windows) {
      const { sizeMs, graceMs } = state.node.stage.windows
      for (const [startMs, entries] of state.open) {
        const dueMs = startMs + sizeMs + graceMs + state.pathGraceMs
        if (entries.size === 0 || dueMs > minimumMs) continue
        const isEarlier =
          first === undefined ||
          dueMs < first.dueMs ||
          (dueMs === first.dueMs && state === first.state && startMs < first.startMs)
        if (isEarlier) first = { state, startMs, dueMs }
      }
    }
    return first
  }

  private close({ state, startMs }: DueWindow): void {
    const { sizeMs, graceMs } = state.node.stage.windows
    const entries = state.open.get(startMs)!
    state.open.delete(startMs)
    if (state.node.stage.emit === 'onWindowClose') {
      const timestampMs = startMs + sizeMs - 1
      for (const key of [...entries.keys()].sort(compareUtf8)) {
        const value = entries.get(key)
        this.pipeline.workResult(this.resultUnit(state, key, value, timestampMs), state, startMs, value)
        state.results += 1
      }
    }
    state.closedThroughMs = Math.max(state.closedThroughMs, startMs + sizeMs + graceMs)
  }

  private resultUnit(state: WindowState, key: string, value: unknown, timestampMs: number): Unit {
    return {
      watermarkMs: timestampMs,
      mergeMs: timestampMs,
      offset: state.results,
      origin: { topic: `results:${state.node.name}`, partition: this.partition, path: [] },
      expiryMs: Math.max(timestampMs, this.closedThroughMs),
      lane: `results of ${state.node.name}`,
      key,
      value: JSON.stringify(value),
      timestampMs,
    }
  }

  /** The end of a bounded run: everything closes, and W stays. */
  private flush(): void {
    if (this.channels.some((channel) => channel.head !== undefined)) {
      throw new Error(`${this.pipeline.name}: a flush leaves records behind`)
    }
    this.closeDueWindows(Infinity)
    this.raiseClosedThrough(Math.max(...this.channels.map((channel) => channel.watermarkMs)))
    for (const state of this.pipeline.windows) state.flushedThroughMs = state.closedThroughMs
  }

  /** Tells receivers behind repartitions how far each origin is. */
  private sendMarkers(): void {
    for (const to of this.subTopology.nodes) {
      if (to.kind !== 'repartition') continue
      const partitions = this.plan.partitionsOf(to)
      const mark = (origin: Origin, watermarkMs: number, position: number): void =>
        this.network.mark(to, partitions, origin, watermarkMs, position)
      for (const { node, updateGraceMs } of this.plan.endsOf(to)) {
        for (const channel of this.channels.filter((other) => other.plan.node === node)) {
          const { topic, partition, path } = channel.plan.origin
          const sentOn = node.kind === 'repartition' ? [...path, this.pipeline.name] : path
          mark({ topic, partition, path: sentOn }, channel.watermarkMs - updateGraceMs, channel.position)
        }
        const state = this.pipeline.windows.find((other) => other.node === node)
        if (state === undefined) continue
        const origin = { topic: `results:${node.name}`, partition: this.partition, path: [] }
        mark(origin, outputWatermarkMs(state) - updateGraceMs, state.results)
      }
    }
  }
}

/** An operator's output watermark: what has closed, less its grace. No result before it can come any more. */
function outputWatermarkMs(state: WindowState): number {
  return state.closedThroughMs - state.node.stage.windows.graceMs
}
