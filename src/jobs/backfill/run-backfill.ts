/**
 * Runs what was planned: an application of its own, with its own group, state and topics, over the planned offsets,
 * into staging topics. Whatever kills it, the same call takes it up exactly where it was.
 */
import { sleep, type Clock, type Random } from '../../clock.ts'
import { FatalError, StateMismatchError } from '../../errors.ts'
import type { ApplicationOptions } from '../../runtime/application.ts'
import { decodeEntry, type CommitEntry } from '../../runtime/commit-entry.ts'
import type { StreamsConfigInput } from '../../runtime/config.ts'
import { RateLimit } from '../../runtime/rate-limit.ts'
import { StreamsApp } from '../../runtime/streams-app.ts'
import type { StateDirectory } from '../../state/backend.ts'
import { differencesBetween, fingerprintOf } from '../../topology/fingerprint.ts'
import { renameOutputs } from '../../topology/rename-outputs.ts'
import type { Topology } from '../../topology/topology.ts'
import { backfillApplicationId } from './backfill-names.ts'
import {
  advance,
  update,
  type BackfillRecord,
  type DecisionList,
  type RunProgress,
} from './backfill-record.ts'
import { canTransition } from './backfill-state.ts'
import { holdBackfill, readBackfill, type BackfillPlace, type HeldBackfill } from './backfill-store.ts'
import { liveLag } from './live-lag.ts'
import { readRunCounts } from './run-counts.ts'
import { StagedAudit } from './staged-audit.ts'
import { stagingSpecs } from './staged-topics.ts'

export interface RunSpec extends BackfillPlace {
  readonly clock: Clock
  readonly random: Random
  readonly id: string
  /** Made of the plan's settings; its fingerprint must be the planned one. */
  readonly topology: Topology
  /** The same, where late records are included with windows that wait for the end; else `topology` again. */
  readonly worked: Topology
  readonly config: StreamsConfigInput
  /** Of the backfill's own application; closed at the end. */
  readonly directory: StateDirectory
  /** Instead of the planned one. */
  readonly ratePerSecond: number | undefined
  /** Rests while live is further behind, in offsets. */
  readonly maxLiveLag: number | undefined
  readonly signal: AbortSignal
  /** Sees the application before it runs. */
  readonly onMade?: (app: StreamsApp) => void
  /** Called whenever progress has been saved. */
  readonly onProgress?: (record: BackfillRecord) => void
}

/** How often progress is saved, and live looked at. */
const SAVE_MS = 2_000
/** What a killed instance may keep its place in the group beyond the session time-out. */
const GROUP_SLACK_MS = 2_000
const LOOK_MS = 100
/** The default of the configuration. */
const SESSION_TIMEOUT_MS = 10_000

/**
 * Runs to the end, or until `signal`; resolves with the record, which is `ran` only at the end. `FatalError`:
 * `BACKFILL_STATE`, `BACKFILL_RUNNING`, `RANGE_UNAVAILABLE`; `FencedError` when somebody else took the backfill over.
 */
export async function runBackfill(spec: RunSpec): Promise<BackfillRecord> {
  try {
    refuseRun(await readBackfill(spec, spec.id))
    await refuseRunning(spec, spec.id, spec.config.sessionTimeoutMs ?? SESSION_TIMEOUT_MS)
    const held = await holdBackfill(spec, spec.id)
    try {
      return await new BackfillRun(spec, held).run()
    } finally {
      await held.close()
    }
  } finally {
    await spec.directory.close()
  }
}

/** Refuses what cannot be run, or run again (`FatalError` `BACKFILL_STATE`). */
export function refuseRun({ id, state }: BackfillRecord): void {
  if (canTransition(state, 'running')) return
  throw new FatalError('BACKFILL_STATE', `Backfill ${id} is ${state}: only what is planned can be run.`)
}

/** Waits for a killed instance to leave the group, and refuses where one stays. */
export async function refuseRunning(
  { log, applicationId, clock, signal }: Pick<RunSpec, 'log' | 'applicationId' | 'clock' | 'signal'>,
  id: string,
  sessionTimeoutMs: number,
): Promise<void> {
  const untilMs = clock.monotonic() + sessionTimeoutMs + GROUP_SLACK_MS
  for (;;) {
    const { memberIds } = await log.describeGroup(backfillApplicationId(applicationId, id))
    if (memberIds.length === 0 || signal.aborted) return
    if (clock.monotonic() > untilMs) {
      throw new FatalError('BACKFILL_RUNNING', `Backfill ${id} is running already, somewhere else.`)
    }
    await sleep(clock, LOOK_MS, signal)
  }
}

class BackfillRun {
  private readonly spec: RunSpec
  private readonly held: HeldBackfill
  private readonly audit: StagedAudit
  private readonly limit: RateLimit
  private readonly startedMs: number
  private readonly elapsedBeforeMs: number
  private readonly over = new AbortController()
  private failure: unknown

  constructor(spec: RunSpec, held: HeldBackfill) {
    const { plan, run } = held.record
    this.spec = spec
    this.held = held
    this.audit = new StagedAudit(spec.log, plan.outputs, run?.audit ?? [])
    this.limit = new RateLimit(spec.clock, spec.ratePerSecond ?? plan.ratePerSecond ?? Infinity)
    this.startedMs = spec.clock.monotonic()
    this.elapsedBeforeMs = run?.elapsedMs ?? 0
  }

  async run(): Promise<BackfillRecord> {
    const { spec, held, over } = this
    refuseRun(held.record)
    refuseTopology(held.record, spec.topology)
    await refuseLostSources(spec, held.record)
    await held.save(advance(held.record, 'running', spec.clock.now(), { run: this.begun() }))
    await spec.log.createTopics(stagingSpecs(held.record.plan.outputs))
    const app = this.makeApp()
    let finished = false
    app.events.subscribe(({ type }) => (finished ||= type === 'run-finished'))
    spec.onMade?.(app)
    const stop = (): void => void app.stop()
    spec.signal.addEventListener('abort', stop)
    if (spec.signal.aborted) stop()
    const watching = this.watch(stop)
    try {
      await app.run()
    } finally {
      spec.signal.removeEventListener('abort', stop)
      over.abort()
      await watching
    }
    if (this.failure !== undefined) throw this.failure as Error
    return this.finish(finished)
  }

  private begun(): RunProgress {
    const { run } = this.held.record
    const fresh = {
      position: 0,
      consumed: 0,
      passedOver: 0,
      late: 0,
      deadLetters: 0,
      skipped: 0,
      withheld: 0,
    }
    const none = { ...fresh, startedAtMs: this.spec.clock.now(), elapsedMs: 0, watermarkMs: null, audit: [] }
    return { ...(run ?? none), finishedAtMs: null, attempts: (run?.attempts ?? 0) + 1 }
  }

  private makeApp(): StreamsApp {
    const { log, clock, random, applicationId, directory, worked } = this.spec
    const { id, plan } = this.held.record
    const staged = new Map(plan.outputs.map((output) => [output.published, output.staged]))
    const nameOf = (topic: string): string => staged.get(topic) ?? topic
    const published = this.spec.config
    return new StreamsApp({
      topology: renameOutputs(worked, nameOf),
      config: {
        ...published,
        applicationId: backfillApplicationId(applicationId, id),
        lateTopic: nameOf(published.lateTopic ?? `${applicationId}-late`),
        deadLetterTopic: nameOf(published.deadLetterTopic ?? `${applicationId}-dlq`),
      },
      log,
      directory,
      clock,
      random,
      bounded: {
        flush: plan.late === 'include',
        ends: Object.fromEntries(
          plan.sources.map(({ topic, partition, toOffset }) => [`${topic}/${partition}`, toOffset]),
        ),
      },
      options: { ...optionsOf(this.held.record), rateLimit: this.limit },
    })
  }

  /** Saves progress and looks after live, until the run is over. What fails here ends the run. */
  private async watch(stop: () => void): Promise<void> {
    const { clock } = this.spec
    try {
      while (!this.over.signal.aborted) {
        await this.lookAtLive()
        await sleep(clock, SAVE_MS, this.over.signal)
        if (!this.over.signal.aborted) await this.save()
      }
    } catch (error) {
      this.failure = error
      stop()
    }
  }

  private async lookAtLive(): Promise<void> {
    const { log, applicationId, maxLiveLag } = this.spec
    if (maxLiveLag === undefined) return
    const { sources } = this.held.record.plan
    this.limit.held = (await liveLag(log, applicationId, sources)) > maxLiveLag
  }

  private async save(): Promise<void> {
    const { held, spec } = this
    await held.save(update(held.record, spec.clock.now(), { run: await this.progress() }))
    spec.onProgress?.(held.record)
  }

  private async progress(): Promise<RunProgress> {
    const { held, spec, audit } = this
    await audit.catchUp()
    return {
      ...held.record.run!,
      ...(await readRunCounts(spec.log, held.record)),
      elapsedMs: Math.round(this.elapsedBeforeMs + spec.clock.monotonic() - this.startedMs),
      audit: audit.notes,
    }
  }

  private async finish(finished: boolean): Promise<BackfillRecord> {
    const { held, spec, audit } = this
    const run = await this.progress()
    const nowMs = spec.clock.now()
    if (finished) {
      audit.finish()
      const done = { ...run, finishedAtMs: nowMs, audit: audit.notes }
      await held.save(advance(held.record, 'ran', nowMs, { run: done }))
    } else {
      await held.save(update(held.record, nowMs, { run }))
    }
    return held.record
  }
}

/** What the plan says of how the application of a backfill works. */
function optionsOf({ plan }: BackfillRecord): ApplicationOptions {
  const { late, keys, range, worked } = plan
  const wanted = keys === null ? undefined : new Set(keys)
  const seeds = Object.entries(plan.seeds).map(
    ([task, text]) =>
      [task, decodeEntry<CommitEntry>(Buffer.from(text), `the plan's seed of ${task}`)] as const,
  )
  const decisions = Object.entries(plan.decisions).map(([task, text]) => {
    const where = `the plan's decisions of ${task}`
    return [task, decodeEntry<DecisionList>(Buffer.from(text), where).decisions] as const
  })
  return {
    isReplay: true,
    seeds: new Map(seeds),
    ...(late === 'as-live' && { decisions: new Map(decisions) }),
    outputRange: range,
    ...(wanted !== undefined && { outputKeys: (key: unknown) => wanted.has(String(key)) }),
    ...(worked !== null && {
      accepts: (_key: unknown, timeMs: number | undefined) =>
        timeMs === undefined || (timeMs >= worked.fromMs && timeMs < worked.toMs),
    }),
  }
}

function refuseTopology({ id, plan }: BackfillRecord, topology: Topology): void {
  const differences = differencesBetween(plan.topology, fingerprintOf(topology))
  if (differences.length === 0) return
  throw new StateMismatchError(`Backfill ${id} was planned with another topology:`, differences)
}

/** Whatever was planned to be read must still be there. */
async function refuseLostSources({ log }: RunSpec, { id, plan, run }: BackfillRecord): Promise<void> {
  const topics = [...new Set(plan.sources.map(({ topic }) => topic))]
  const described = await log.describeTopics(topics)
  for (const topic of topics) {
    const count = plan.sources.filter((source) => source.topic === topic).length
    const now = described.get(topic)?.partitions ?? 0
    if (now !== count) {
      throw new FatalError(
        'RANGE_UNAVAILABLE',
        `Backfill ${id} was planned for ${count} partitions of ${topic}, and there are ${now} now.`,
      )
    }
  }
  // One that was begun goes on behind what it has read: its tasks look for themselves.
  if (run !== null) return
  for (const { topic, partition, fromOffset } of plan.sources) {
    const [start] = await log.offsets('start', [{ topic, partition }])
    if (start! <= BigInt(fromOffset)) continue
    throw new FatalError(
      'RANGE_UNAVAILABLE',
      `Backfill ${id} has to begin at offset ${fromOffset} of ${topic}/${partition}, which begins at ${start} now: ` +
        'records were deleted since it was planned.',
    )
  }
}
