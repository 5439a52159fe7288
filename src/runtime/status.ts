/**
 * What an application has done and what it waits for, read from the log alone: commit logs, group, offsets. Works while
 * the application runs, wherever it runs, and while it does not.
 *
 * Positions and watermarks are those of the newest commit, so a running task may already be a little further.
 */
import type { GroupDescription, Log, Offset, TopicPartition } from '../log/log.ts'
import type { ChannelState, CommitEntry } from './commit-entry.ts'
import { readNewest } from './commit-log.ts'
import type { Counts } from './counters.ts'
import { currentIncarnation } from './incarnations.ts'
import { commitLogTopic, repartitionTopic, topicPrefixOf } from './internal-topics.ts'
import { taskName, type TaskId } from './task-id.ts'

/** An application as the log knows it. */
export interface ApplicationStatus {
  readonly applicationId: string
  /** How often it went back to a savepoint; what is told is of this incarnation. */
  readonly incarnation: number
  readonly group: GroupDescription
  /** In the order of their names; none before the application has run for the first time. */
  readonly tasks: readonly TaskStatus[]
}

/** A task as of its newest commit. */
export interface TaskStatus {
  readonly task: string
  /** Counts from 1; 0: never committed. */
  readonly commitId: number
  /** When that was, by the wall clock of who committed; `undefined` before the first commit. */
  readonly committedAtMs: number | undefined
  /** Where the state of whoever worked the task last is; `undefined` before the task was ever started. */
  readonly instance: string | undefined
  readonly inputs: readonly InputStatus[]
  /**
   * Event time of the task: the minimum over the channels that are not idle; minus infinity before the first record.
   */
  readonly watermarkMs: number
  readonly heldBackBy: Holdup
  /**
   * Windows of all windowed operators are closed up to here, by time or by decision; minus infinity before the first
   * one has been closed, `undefined` in a task without windows.
   */
  readonly closedThroughMs: number | undefined
  /** Windows that hold anything and are not closed. */
  readonly openWindows: number
  /** What the task has counted in all its life. */
  readonly counts: Counts
}

/** An input partition of a task. */
export interface InputStatus extends TopicPartition {
  /** Next offset to work. */
  readonly position: Offset
  /** High watermark. */
  readonly end: Offset
  /** Offsets between the two; some of them may hold no record. */
  readonly lag: Offset
  /** Of the channels that come through this input, the lowest; minus infinity before the first record. */
  readonly watermarkMs: number
  /** All of these channels are left out, because they were silent. */
  readonly idle: boolean
}

/** Why the event time of a task is not further. */
export type Holdup =
  /** Nothing does: everything is worked. */
  | { readonly kind: 'nothing' }
  /** There is more to work. */
  | { readonly kind: 'behind' }
  /** Everything is worked; time goes on when this channel (`readings/2`) delivers. */
  | { readonly kind: 'waiting'; readonly channel: string }
  /** All inputs are silent. */
  | { readonly kind: 'idle' }

/** Reads the status of an application. */
export async function readStatus(log: Log, applicationId: string): Promise<ApplicationStatus> {
  const group = await log.describeGroup(applicationId)
  const topics = new Set(await log.listTopics())
  const incarnation = await currentIncarnation(log, applicationId)
  const prefix = topicPrefixOf(applicationId, incarnation)
  const tasks: TaskStatus[] = []
  for (let subTopology = 0; topics.has(commitLogTopic(prefix, subTopology)); subTopology++) {
    const topic = commitLogTopic(prefix, subTopology)
    const partitions = (await log.describeTopics([topic])).get(topic)?.partitions ?? 0
    for (let partition = 0; partition < partitions; partition++) {
      tasks.push(await readTask(log, prefix, { subTopology, partition }, topics))
    }
  }
  return { applicationId, incarnation, group, tasks }
}

async function readTask(
  log: Log,
  prefix: string,
  id: TaskId,
  topics: ReadonlySet<string>,
): Promise<TaskStatus> {
  const { partition } = id
  const commits = { topic: commitLogTopic(prefix, id.subTopology), partition }
  // What is committed and visible: a status must not wait for a transaction that is still open.
  const [stable] = await log.offsets('stable', [commits])
  const { latest, latestAtMs, owner } = await readNewest(log, commits, stable ?? 0n)
  const inputs = latest === undefined ? [] : await readInputs(log, prefix, partition, latest, topics)
  const operators = Object.values(latest?.operators ?? {})
  const channels = latest?.channels ?? []
  return {
    task: taskName(id),
    commitId: latest?.commitId ?? 0,
    committedAtMs: latestAtMs === 0 ? undefined : latestAtMs,
    instance: owner?.instance,
    inputs,
    watermarkMs: watermarkOf(channels),
    heldBackBy: holdupOf(channels, inputs),
    closedThroughMs:
      operators.length === 0
        ? undefined
        : Math.min(...operators.map(({ closedThroughMs }) => closedThroughMs)),
    openWindows: operators.reduce((sum, { openWindows }) => sum + openWindows, 0),
    counts: latest?.counts ?? {},
  }
}

async function readInputs(
  log: Log,
  prefix: string,
  partition: number,
  { offsets, channels }: CommitEntry,
  topics: ReadonlySet<string>,
): Promise<readonly InputStatus[]> {
  const inputs: InputStatus[] = []
  for (const [input, offset] of Object.entries(offsets)) {
    // An entry names a source topic, or a repartition node.
    const repartition = repartitionTopic(prefix, input)
    const isRepartition = topics.has(repartition)
    const topic = isRepartition ? repartition : input
    if (!topics.has(topic)) continue
    const [end] = await log.offsets('end', [{ topic, partition }])
    const through = channels.filter(({ channel }) =>
      isRepartition ? channel.endsWith(` in ${input}`) : channel === `${input}/${partition}`,
    )
    const position = BigInt(offset)
    inputs.push({
      topic,
      partition,
      position,
      end: end ?? position,
      lag: end !== undefined && end > position ? end - position : 0n,
      watermarkMs: Math.min(...through.map(({ watermarkMs }) => watermarkMs)),
      idle: through.length > 0 && through.every(({ idle }) => idle),
    })
  }
  return inputs
}

function watermarkOf(channels: readonly ChannelState[]): number {
  if (channels.length === 0) return -Infinity
  const active = channels.filter(({ idle }) => !idle)
  if (active.length === 0) return Math.max(...channels.map(({ watermarkMs }) => watermarkMs))
  return Math.min(...active.map(({ watermarkMs }) => watermarkMs))
}

function holdupOf(channels: readonly ChannelState[], inputs: readonly InputStatus[]): Holdup {
  if (inputs.some(({ lag }) => lag > 0n)) return { kind: 'behind' }
  const active = channels.filter(({ idle }) => !idle)
  if (channels.length > 0 && active.length === 0) return { kind: 'idle' }
  const [first, ...others] = active.toSorted((a, b) => a.watermarkMs - b.watermarkMs)
  const waits = first !== undefined && others.some(({ watermarkMs }) => watermarkMs > first.watermarkMs)
  return waits ? { kind: 'waiting', channel: channelName(first.channel) } : { kind: 'nothing' }
}

/** `readings/2` of `readings/2 in by-sensor`, and of names with hops in between. */
function channelName(channel: string): string {
  return channel.replace(/ (via|in) .*$/, '')
}
