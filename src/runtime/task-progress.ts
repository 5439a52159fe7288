/** How far a running task has come, for whoever watches: uncommitted work included, except in the counts. */
import type { Offset, PartitionOffset } from '../log/log.ts'
import type { BoundedRun } from './bounded-run.ts'
import type { Counts } from './counters.ts'
import { repartitionTopic } from './internal-topics.ts'
import type { RunningTask } from './running-task.ts'
import type { TaskState } from './task-state.ts'

/** What a task of this instance has done and stands at. */
export interface TaskProgress {
  readonly task: string
  readonly state: TaskState
  /** Records worked since the task was started here. */
  readonly worked: number
  /** Event time of the task: the minimum over its inputs; minus infinity before the first record. */
  readonly watermarkMs: number
  /** Windows that hold anything and are not closed. */
  readonly openWindows: number
  /** Number of the newest commit that succeeded, wherever it was made; 0 for none. */
  readonly commitId: number
  /** What the task has counted in all its life, as of that commit: never falls, whatever crashes. */
  readonly counts: Counts
  readonly inputs: readonly TaskInputProgress[]
}

/** An input partition of a task. */
export interface TaskInputProgress extends PartitionOffset {
  /** The next one to work. */
  readonly offset: Offset
  /** Where the bounded run under way ends; `undefined` without one. */
  readonly runEnd: Offset | undefined
  /** Of the channels that come through this input, the lowest; minus infinity before the first record. */
  readonly watermarkMs: number
  /** All of these channels are left out, because they were silent. */
  readonly idle: boolean
}

/** The progress of one task; `run` is the bounded run under way, if any. */
export function taskProgress(running: RunningTask, run: BoundedRun | undefined): TaskProgress {
  const { task } = running
  const channels = channelsByTopic(running)
  return {
    task: task.name,
    state: task.state,
    worked: task.worked,
    watermarkMs: task.inputs.progress.minimumMs,
    openWindows: task.closer.operators.reduce((sum, { store }) => sum + store.openStartsMs.length, 0),
    ...running.newestCommit,
    inputs: running.inputOffsets().map((input) => {
      const end = run?.ends[`${input.topic}/${input.partition}`]
      const through = channels.get(input.topic) ?? []
      return {
        ...input,
        runEnd: end === undefined ? undefined : BigInt(end),
        watermarkMs: Math.min(...through.map((channel) => task.inputs.progress.watermarkMs(channel))),
        idle: through.every((channel) => task.inputs.isIdle(channel)),
      }
    }),
  }
}

/** The numbers of the channels that come through each input. */
function channelsByTopic({ topicPrefix, task }: RunningTask): ReadonlyMap<string, readonly number[]> {
  const channels = new Map<string, number[]>()
  for (const [number, { input, isRepartition }] of task.parts.taskChannels.entries()) {
    const topic = isRepartition ? repartitionTopic(topicPrefix, input) : input
    const others = channels.get(topic)
    if (others === undefined) channels.set(topic, [number])
    else others.push(number)
  }
  return channels
}
