/**
 * Plans a backfill: what it reads, from where to where, what it can promise. Writes nothing but the plan's record.
 */
import { ConfigError, FatalError } from '../../errors.ts'
import { parseConfig } from '../../runtime/config.ts'
import { fingerprintOf } from '../../topology/fingerprint.ts'
import { stagingTopic } from './backfill-names.ts'
import { plannedBackfill, type BackfillPlan, type BackfillRecord } from './backfill-record.ts'
import { createBackfill, listBackfills, refuseExisting } from './backfill-store.ts'
import { compareWithLive } from './comparable.ts'
import { estimateRun } from './estimate.ts'
import { gatherFacts, type PlanFacts } from './plan-facts.ts'
import type { BackfillRequest, PlanSpec } from './plan-spec.ts'
import { cutTasks, type PlannedCut } from './planned-cut.ts'
import { refuseLeftovers, stagedTopicsOf } from './staged-topics.ts'

/**
 * Makes the plan and keeps it. `FatalError`: `BACKFILL_EXISTS`, `STAGING_EXISTS`, `TOPIC_UNKNOWN`,
 * `RANGE_UNAVAILABLE` when no result of the range could be trusted; `ConfigError` for a request that makes no sense.
 */
export async function planBackfill(spec: PlanSpec): Promise<BackfillRecord> {
  const { request, clock, applicationId } = spec
  checkRequest(request)
  await refuseExisting(spec, request.id)
  const plan = await makePlan(spec)
  const record = plannedBackfill(request.id, applicationId, plan, clock.now())
  await createBackfill(spec, record)
  return record
}

function checkRequest({ id, range, keys }: BackfillRequest): void {
  const problems: string[] = []
  if (range.fromMs >= range.toMs)
    problems.push(`the range of ${id} is empty: its end must be after its start`)
  if (keys?.length === 0) problems.push(`${id} names no key`)
  if (problems.length > 0) throw new ConfigError(problems)
}

async function makePlan(spec: PlanSpec): Promise<BackfillPlan> {
  const { request, topology, settings, log, applicationId } = spec
  const { id, range, late, keys, ratePerSecond } = request
  const config = parseConfig({ ...spec.config, applicationId })
  const facts = await gatherFacts(spec, config)
  const outputs = await stagedTopicsOf(log, topology, config, facts.plan, (topic) => stagingTopic(topic, id))
  await refuseLeftovers(spec, id, outputs)
  const cut = await cutTasks(spec, facts)
  const trustworthy = trustedPart(range, cut, facts)
  const { notComparable, warnings } = compareWithLive(topology, facts.liveFingerprint)
  const records = cut.sources.reduce(
    (sum, { fromOffset, toOffset }) => sum + Number(BigInt(toOffset) - BigInt(fromOffset)),
    0,
  )
  const former = await listBackfills(spec)
  return {
    range,
    late,
    keys,
    sources: cut.sources,
    outputs,
    settings,
    topology: fingerprintOf(topology),
    savepoint: null,
    seeds: cut.seeds,
    decisions: cut.decisions,
    worked: cut.worked,
    ratePerSecond,
    trustworthy: [trustworthy],
    comparable: notComparable.length === 0,
    notComparable,
    warnings: [...warnings, ...facts.warnings, ...cut.warnings, ...roomWarnings(spec, facts, records)],
    estimate: estimateRun(records, late, ratePerSecond, facts.sample, former),
  }
}

/** The part of the range whose results can be trusted; refuses where there is none. */
function trustedPart(
  range: BackfillRequest['range'],
  { trustedFromMs }: PlannedCut,
  facts: PlanFacts,
): BackfillRequest['range'] {
  if (facts.compacted.length > 0) {
    throw new FatalError(
      'RANGE_UNAVAILABLE',
      `${facts.compacted.join(', ')} is compacted: of several records under one key only the newest is left, ` +
        'so nothing can be computed again from it.',
    )
  }
  if (trustedFromMs < range.toMs) return { ...range, fromMs: Math.max(range.fromMs, trustedFromMs) }
  const told = facts.inputs.map(
    ({ partition: { topic, partition }, start }) => `${topic}/${partition} begins at offset ${start}`,
  )
  throw new FatalError(
    'RANGE_UNAVAILABLE',
    'No result of this range could be trusted: records that it needs are gone, or live has left no history of how ' +
      `they were judged (${told.join(', ')}).`,
  )
}

function roomWarnings({ freeBytes }: PlanSpec, { sample }: PlanFacts, records: number): readonly string[] {
  if (freeBytes === undefined || sample.records === 0) return []
  // Results, changelogs and local state together are seldom more than what is read.
  const neededBytes = (records * sample.bytes) / sample.records
  if (neededBytes < freeBytes) return []
  return [
    `there may be too little room: about ${mib(neededBytes)} MiB are read, and ${mib(freeBytes)} MiB are free`,
  ]
}

function mib(bytes: number): number {
  return Math.ceil(bytes / (1024 * 1024))
}
