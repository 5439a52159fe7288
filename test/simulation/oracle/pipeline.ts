/** One task's way of a record through its nodes, as one unit that happens whole or not at all. */
import type { Scenario } from '../scenario.ts'
import type { Item, OnError } from '../topology-spec.ts'
import { newKey } from '../user-functions.ts'
import { partitionOf, windowStarts } from './arithmetic.ts'
import type { Message } from './channel.ts'
import type {
  AggregateNode,
  NodeKey,
  OracleNode,
  ProcessorNode,
  RepartitionNode,
  SinkNode,
  WindowedNode,
} from './graph.ts'
import type { Network } from './network.ts'
import { taskName, type Origin, type Plan, type SubTopology } from './plan.ts'
import { callProcessor } from './processors.ts'
import type { ExpectedRecord, ExpectedTotals, LateReason } from './run.ts'
import { UndoLog, type OracleStore } from './store.ts'

/** What is being worked: an input record, or a result of a window that closes. */
export interface Unit {
  /** The record's own watermark, by which lateness is judged. */
  readonly watermarkMs: number
  readonly mergeMs: number
  readonly offset: number
  readonly origin: Origin
  /** What store entries must outlive to be seen. */
  readonly expiryMs: number
  /** What tells the lanes of an unordered task apart. */
  readonly lane: string
  /** For the dead letter. */
  readonly key: string | null
  readonly value: string | null
  readonly timestampMs: number
}

/** A record between two nodes. `loweredMs`: graces of windows that sent updates on its way. */
interface Flow {
  readonly key: NodeKey
  readonly value: unknown
  readonly timestampMs: number
  readonly loweredMs: number
}

/** The state of a windowed operator. */
export interface WindowState {
  readonly node: WindowedNode
  readonly pathGraceMs: number
  /** By start, then key. */
  readonly open: Map<number, Map<string, unknown>>
  closedThroughMs: number
  flushedThroughMs: number
  /** Results so far, those that failed too. */
  results: number
}

/** What became of a unit. */
export type Outcome = 'worked' | 'dead-letter' | 'skipped'

/** Thrown to end the unit at the first stage that fails; no `Error`, for nobody asks where it came from. */
class StageFailure {
  readonly stage: string
  readonly onError: OnError
  readonly code: string | undefined

  constructor(stage: string, onError: OnError, code: string | undefined) {
    this.stage = stage
    this.onError = onError
    this.code = code
  }
}

/** The stages and the state of one task. */
export class Pipeline {
  readonly name: string
  readonly windows: readonly WindowState[]
  readonly totals: ExpectedTotals
  private readonly scenario: Scenario
  private readonly plan: Plan
  private readonly subTopology: SubTopology
  private readonly partition: number
  private readonly network: Network
  private readonly out: ExpectedRecord[]
  private readonly aggregates = new Map<OracleNode, Map<string, unknown>>()
  private readonly stores = new Map<string, OracleStore>()
  private readonly undo = new UndoLog()
  /** Outputs and messages of the unit being worked, not yet sent. */
  private readonly pending: (() => void)[] = []
  private unit: Unit | undefined

  constructor(
    scenario: Scenario,
    plan: Plan,
    place: { readonly subTopology: SubTopology; readonly partition: number },
    network: Network,
    out: ExpectedRecord[],
  ) {
    this.scenario = scenario
    this.plan = plan
    this.subTopology = place.subTopology
    this.partition = place.partition
    this.name = taskName(place.subTopology, place.partition)
    this.network = network
    this.out = out
    const windowed = place.subTopology.nodes.filter((node) => node.kind === 'windowed')
    this.windows = windowed.map((node) => newWindowState(node, plan.pathGraceMs(node)))
    this.totals = {
      consumed: 0,
      deadLetters: 0,
      skipped: 0,
      late: 0,
      partlyLate: 0,
      results: 0,
      counters: {},
    }
  }

  /**
   * Works a record of a source or repartition node, or, without `decoded`, makes it a dead letter of that
   * node.
   */
  workRecord(
    unit: Unit,
    node: OracleNode,
    decoded: { readonly timestampMs: number; readonly value: unknown } | undefined,
    code: string | undefined,
  ): Outcome {
    this.totals.consumed += 1
    return this.whole(unit, () => {
      if (decoded === undefined) throw new StageFailure(node.name, node.onError, code)
      this.pass(node, { key: unit.key, ...decoded, loweredMs: 0 })
    })
  }

  /** Works a result of a window that closes. */
  workResult(unit: Unit, state: WindowState, startMs: number, value: unknown): Outcome {
    return this.whole(unit, () => {
      this.count(this.totals, 'results')
      const key = { key: unit.key!, startMs }
      this.pass(state.node, { key, value, timestampMs: unit.timestampMs, loweredMs: 0 })
    })
  }

  private whole(unit: Unit, work: () => void): Outcome {
    this.unit = unit
    this.pending.length = 0
    try {
      work()
    } catch (failure) {
      if (!(failure instanceof StageFailure)) throw failure
      this.undo.takeBack()
      if (failure.onError === 'skip') {
        this.totals.skipped += 1
        return 'skipped'
      }
      this.totals.deadLetters += 1
      this.writeDeadLetter(unit, failure)
      return 'dead-letter'
    }
    this.undo.keep()
    for (const send of this.pending) send()
    return 'worked'
  }

  private writeDeadLetter(unit: Unit, failure: StageFailure): void {
    this.out.push({
      kind: 'dead-letter',
      ...this.placeOf(this.scenario.deadLetterTopic, null, 'dead letters'),
      key: unit.key,
      value: unit.value,
      timestampMs: unit.timestampMs,
      stage: failure.stage,
      ...(failure.code !== undefined && { code: failure.code }),
    })
  }

  /** Hands a record to every child, one after the other, each with all that is behind it. */
  private pass(node: OracleNode, flow: Flow): void {
    for (const child of node.children) this.enter(child, flow)
  }

  private enter(node: OracleNode, flow: Flow): void {
    switch (node.kind) {
      case 'stateless': {
        const made = guarded(node, () => node.work(flow.key, flow.value))
        const { timestampMs, loweredMs } = flow
        for (const [key, value] of made) this.pass(node, { key, value, timestampMs, loweredMs })
        break
      }
      case 'windowed':
        this.enterWindows(node, flow)
        break
      case 'aggregate':
        this.enterAggregate(node, flow)
        break
      case 'processor':
        this.enterProcessor(node, flow)
        break
      case 'repartition':
        this.sendOn(node, flow)
        break
      case 'sink':
        this.write(node, flow)
        break
      case 'source':
        throw new Error('a source has no parents')
    }
  }

  private enterWindows(node: WindowedNode, flow: Flow): void {
    const { sizeMs, advanceMs, graceMs } = node.stage.windows
    const state = this.windows.find((other) => other.node === node)!
    const key = keyOf(node, flow)
    const starts = windowStarts(flow.timestampMs, sizeMs, advanceMs)
    const ownMs = this.unit!.watermarkMs - flow.loweredMs
    const late: LateReason[] = []
    const counted = starts.filter((start) => {
      const reason = lateness(start + sizeMs + graceMs, ownMs, state)
      if (reason !== undefined) late.push(reason)
      return reason === undefined
    })
    if (counted.length === 0) return this.writeLate(node, flow, late)
    if (late.length > 0) this.count(this.totals, 'partlyLate')
    for (const startMs of counted) {
      const entries = state.open.get(startMs) ?? new Map<string, unknown>()
      state.open.set(startMs, entries)
      const value = guarded(node, () => node.step(key, flow.value as Item, entries.get(key)))
      this.undo.set(entries, key, value)
      if (node.stage.emit === 'onWindowClose') continue
      const result = { key: { key, startMs }, value, timestampMs: startMs + sizeMs - 1 }
      this.pass(node, { ...result, loweredMs: flow.loweredMs + graceMs })
    }
  }

  private enterAggregate(node: AggregateNode, flow: Flow): void {
    const key = keyOf(node, flow)
    const entries = this.aggregates.get(node) ?? new Map<string, unknown>()
    this.aggregates.set(node, entries)
    const value = guarded(node, () => node.step(key, flow.value as Item, entries.get(key)))
    this.undo.set(entries, key, value)
    this.pass(node, { ...flow, key, value })
  }

  private enterProcessor(node: ProcessorNode, flow: Flow): void {
    const { store: name, ttlMs } = node.stage
    const store = this.stores.get(name) ?? { entries: new Map(), ttlMs: ttlMs ?? Infinity }
    this.stores.set(name, store)
    const call = {
      key: flow.key as string | null,
      item: flow.value as Item,
      timestampMs: flow.timestampMs,
      watermarkMs: this.unit!.watermarkMs,
      expiryMs: this.unit!.expiryMs,
      store,
      undo: this.undo,
      forward: (key: string | null, value: Item, timestampMs: number) =>
        this.pass(node, { ...flow, key, value, timestampMs }),
      count: (counter: string) => this.count(this.totals.counters, counter),
    }
    guarded(node, () => callProcessor(node.stage, call))
  }

  private sendOn(node: RepartitionNode, flow: Flow): void {
    const unit = this.unit!
    const key = flow.key as string | null
    const partitions = this.plan.partitionsOf(node)
    const message: Message = {
      key,
      value: bytesOf(flow.value),
      timestampMs: flow.timestampMs,
      watermarkMs: unit.watermarkMs - flow.loweredMs,
      mergeMs: unit.mergeMs - flow.loweredMs,
      offset: unit.offset,
    }
    const partition = key === null ? this.partition % partitions : partitionOf(key, partitions)
    this.pending.push(() => this.network.send(node, partition, unit.origin, message))
  }

  private write(node: SinkNode, flow: Flow): void {
    const { topic, partitionBy } = node.stage
    const key = flow.key as string | null
    const hashed = partitionBy === undefined ? key : newKey(partitionBy, key, flow.value as Item)
    const record: ExpectedRecord = {
      kind: 'output',
      ...this.placeOf(topic, hashed, node.name),
      key,
      value: bytesOf(flow.value),
      timestampMs: flow.timestampMs,
    }
    this.pending.push(() => this.out.push(record))
  }

  private writeLate(node: WindowedNode, flow: Flow, reasons: readonly LateReason[]): void {
    this.count(this.totals, 'late')
    const key = flow.key as string
    const record: ExpectedRecord = {
      kind: 'late',
      ...this.placeOf(node.stage.lateTopic ?? this.scenario.lateTopic, key, `${node.name} late`),
      key,
      value: bytesOf(flow.value),
      timestampMs: flow.timestampMs,
      stage: node.name,
      reason: reasonOf(reasons),
    }
    this.pending.push(() => this.out.push(record))
  }

  private placeOf(topic: string, hashed: string | null, sink: string) {
    const partitions = this.plan.outputPartitions
    const partition = hashed === null ? this.partition % partitions : partitionOf(hashed, partitions)
    const lane = this.subTopology.ordered ? '' : ` ${this.unit!.lane}`
    return { task: this.name, topic, partition, lane: `${this.name} ${sink}${lane}` }
  }

  private count<K extends string>(counts: Record<K, number>, name: K): void {
    counts[name] = (counts[name] ?? 0) + 1
    this.undo.add(() => {
      counts[name] -= 1
    })
  }
}

function newWindowState(node: WindowedNode, pathGraceMs: number): WindowState {
  const never = -Infinity
  return { node, pathGraceMs, open: new Map(), closedThroughMs: never, flushedThroughMs: never, results: 0 }
}

/** Runs user code; what it throws fails the record at this node, unless a node behind it failed first. */
function guarded<T>(node: OracleNode, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof StageFailure) throw error
    const code = (error as { code?: unknown }).code
    throw new StageFailure(node.name, node.onError, typeof code === 'string' ? code : undefined)
  }
}

/** The key of a record at a stage that aggregates by key; a record without key or value fails there. */
function keyOf(node: OracleNode, flow: Flow): string {
  if (flow.key === null) throw new StageFailure(node.name, node.onError, 'KEY_MISSING')
  if (flow.value === null) throw new StageFailure(node.name, node.onError, 'VALUE_MISSING')
  return flow.key as string
}

/** Whether a record with the watermark `ownMs` is late for a window that closes at `closesAtMs`. */
function lateness(closesAtMs: number, ownMs: number, state: WindowState): LateReason | undefined {
  if (closesAtMs <= ownMs) return 'late'
  if (closesAtMs > state.closedThroughMs) return undefined
  return closesAtMs <= state.flushedThroughMs ? 'flushed' : 'idle'
}

/**
 * `late` if any window had closed by the record's own watermark; else `idle` if any is late for idleness
 * alone.
 */
function reasonOf(reasons: readonly LateReason[]): LateReason {
  if (reasons.includes('late')) return 'late'
  return reasons.includes('idle') ? 'idle' : 'flushed'
}

function bytesOf(value: unknown): string | null {
  return value === null ? null : JSON.stringify(value)
}
