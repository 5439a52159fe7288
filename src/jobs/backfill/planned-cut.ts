/** From where to where each task of a backfill reads, with what it knows at its start. */
import { FatalError } from '../../errors.ts'
import { encodeEntry, type CommitEntry } from '../../runtime/commit-entry.ts'
import { seedAt, seedOf } from '../../runtime/seed.ts'
import { taskName, type TaskId } from '../../runtime/task-id.ts'
import type { Decision } from '../../time/decisions.ts'
import { cutAsLive, type Cut } from './as-live-cut.ts'
import type { DecisionList, SeedText, SourceRange } from './backfill-record.ts'
import { sameWindows } from './comparable.ts'
import { startIncluding } from './include-cut.ts'
import type { TaskHistory } from './live-history.ts'
import type { PlanSpec } from './plan-spec.ts'
import type { PlanFacts, SourceInput } from './plan-facts.ts'
import { closingTimes } from './spans.ts'

export interface PlannedCut {
  readonly sources: readonly SourceRange[]
  readonly seeds: Readonly<Record<string, SeedText>>
  readonly decisions: Readonly<Record<string, string>>
  readonly worked: { readonly fromMs: number; readonly toMs: number } | null
  /** Results from here on can be trusted. */
  readonly trustedFromMs: number
  readonly warnings: readonly string[]
}

/** Cuts all tasks. `FatalError` `RANGE_UNAVAILABLE` when live has left nothing to judge by. */
export async function cutTasks(spec: PlanSpec, facts: PlanFacts): Promise<PlannedCut> {
  return spec.request.late === 'as-live' ? cutAllAsLive(spec, facts) : cutAllIncluding(spec, facts)
}

/** The tasks that read sources, each with its inputs. */
function readingTasks({ topology }: PlanSpec, { plan, readers, inputs }: PlanFacts): readonly ReadingTask[] {
  return [...readers].flatMap((subTopology) =>
    Array.from({ length: plan.tasks[subTopology]! }, (_, partition) => {
      const id = { subTopology, partition }
      const { nodes } = topology.subTopologies[subTopology]!
      const own = inputs.filter((input) => {
        return nodes.includes(input.source.name) && input.partition.partition === partition
      })
      return { id, task: taskName(id), inputs: own }
    }),
  )
}

interface ReadingTask {
  readonly id: TaskId
  readonly task: string
  readonly inputs: readonly SourceInput[]
}

function startsOf(inputs: readonly SourceInput[]): Readonly<Record<string, bigint>> {
  return Object.fromEntries(inputs.map(({ partition: { topic }, start }) => [topic, start]))
}

function rangeOf(
  inputs: readonly SourceInput[],
  from: Readonly<Record<string, bigint | string>>,
  to: Readonly<Record<string, bigint | string>>,
): readonly SourceRange[] {
  return inputs.map(({ partition: { topic, partition }, start }) => {
    const fromOffset = BigInt(from[topic] ?? start)
    const toOffset = BigInt(to[topic] ?? fromOffset)
    return {
      topic,
      partition,
      fromOffset: String(fromOffset),
      toOffset: String(toOffset > fromOffset ? toOffset : fromOffset),
    }
  })
}

function cutAllAsLive(spec: PlanSpec, facts: PlanFacts): PlannedCut {
  const { topology, request } = spec
  const { spans, config, histories } = facts
  const alone = topology.subTopologies.length === 1
  const seeds: Record<string, SeedText> = {}
  const decisions: Record<string, string> = {}
  const sources: SourceRange[] = []
  const cuts: Cut[] = []
  for (const { id, task, inputs } of readingTasks(spec, facts)) {
    const history = historyOf(histories, task, inputs)
    const cut = cutAsLive({
      entries: history.entries,
      fromMs: request.range.fromMs,
      // Behind a repartition nobody knows from here when windows close: it is read as far as live has come.
      closing: alone && spans.windowed ? closingTimes(topology, request.range.toMs) : new Map(),
      spans,
      outOfOrdernessMs: config.outOfOrdernessMs,
      starts: startsOf(inputs),
      historyIsWhole: history.isWhole,
      seedable: alone && spans.memoryMs !== Infinity,
      sameWindows: sameWindows(topology, facts.liveFingerprint),
    })
    cuts.push(cut)
    const range = rangeOf(inputs, cut.begin?.offsets ?? {}, cut.end.offsets)
    sources.push(...range)
    decisions[task] = listed(cut.decisions)
    seeds[task] = encodeEntry(seedFor(spec, facts, id, cut.begin, range))
  }
  for (const { task, id, entries } of histories.values()) {
    if (facts.readers.has(id.subTopology)) continue
    decisions[task] = listed(entries.flatMap((entry) => entry.decisions))
  }
  return {
    sources,
    seeds,
    decisions,
    worked: null,
    trustedFromMs: Math.max(...cuts.map(({ trustedFromMs }) => trustedFromMs)),
    warnings: alone && cuts.every(({ complete }) => complete) ? [] : [NOT_COMPLETE],
  }
}

function listed(decisions: readonly Decision[]): string {
  const list: DecisionList = { formatVersion: 1, decisions }
  return encodeEntry(list)
}

const NOT_COMPLETE =
  'as far as can be told, live has not closed all windows of the range: what it publishes later is not computed here'

function historyOf(
  histories: ReadonlyMap<string, TaskHistory>,
  task: string,
  inputs: readonly SourceInput[],
): TaskHistory {
  const history = histories.get(task)
  const latest = history?.entries.at(-1)
  if (history === undefined || latest === undefined) {
    throw new FatalError(
      'RANGE_UNAVAILABLE',
      `The application has never worked task ${task}, so there is nothing that a backfill as live could follow; ` +
        '--late include computes the range all the same.',
    )
  }
  const known = inputs.every(({ partition: { topic } }) => latest.offsets[topic] !== undefined)
  if (known && Object.keys(latest.offsets).length === inputs.length) return history
  throw new FatalError(
    'RANGE_UNAVAILABLE',
    `Task ${task} of the application reads other topics than are planned here, so it cannot be followed as live.`,
  )
}

function seedFor(
  { topology }: PlanSpec,
  facts: PlanFacts,
  id: TaskId,
  begin: CommitEntry | undefined,
  range: readonly SourceRange[],
): CommitEntry {
  if (begin === undefined) {
    const offsets = Object.fromEntries(range.map(({ topic, fromOffset }) => [topic, fromOffset]))
    return seedAt(id, topology, facts.plan, offsets)
  }
  const seed = seedOf(begin)
  // What live's windows had closed says nothing of other windows.
  return sameWindows(topology, facts.liveFingerprint) ? seed : { ...seed, operators: {} }
}

async function cutAllIncluding(spec: PlanSpec, facts: PlanFacts): Promise<PlannedCut> {
  const { request } = spec
  const { spans, config, histories } = facts
  const { fromMs, toMs } = request.range
  const backMs = spans.windowsMs + spans.memoryMs
  const neededFromMs = fromMs - backMs
  const seeds: Record<string, SeedText> = {}
  const sources: SourceRange[] = []
  let unseenThroughMs = -Infinity
  for (const { id, task, inputs } of readingTasks(spec, facts)) {
    const own = histories.get(task)?.entries ?? []
    const sameInputs = own.every(({ offsets }) => Object.keys(offsets).length === inputs.length)
    const start = startIncluding({
      neededFromMs,
      starts: startsOf(inputs),
      byTimestamp: await offsetsByTime(spec, facts, inputs, neededFromMs),
      entries: sameInputs && neededFromMs !== -Infinity ? own : [],
      outOfOrdernessMs: config.outOfOrdernessMs,
    })
    unseenThroughMs = Math.max(unseenThroughMs, start.unseenThroughMs)
    const ends = Object.fromEntries(inputs.map(({ partition: { topic }, end }) => [topic, end]))
    const range = rangeOf(inputs, start.offsets, ends)
    sources.push(...range)
    seeds[task] = encodeEntry(seedFor(spec, facts, id, undefined, range))
  }
  return {
    sources,
    seeds,
    decisions: {},
    worked: backMs === Infinity ? null : { fromMs: neededFromMs, toMs: toMs + spans.memoryMs },
    trustedFromMs: unseenThroughMs + (unseenThroughMs === -Infinity ? 0 : backMs),
    warnings: [],
  }
}

/** The first offsets at or after a time, where timestamps tell event times; `undefined` where they do not. */
async function offsetsByTime(
  { log }: PlanSpec,
  { sample, appendTime, config }: PlanFacts,
  inputs: readonly SourceInput[],
  timeMs: number,
): Promise<Readonly<Record<string, bigint>> | undefined> {
  const aheadMs = appendTime ? config.maxFutureSkewMs : sample.timestampsAreEventTimes ? 0 : Infinity
  if (timeMs === -Infinity || aheadMs === Infinity) return undefined
  const offsets: Record<string, bigint> = {}
  for (const { partition } of inputs) {
    offsets[partition.topic] = await log.offsetAtTime(partition, Math.max(0, timeMs - aheadMs))
  }
  return offsets
}
