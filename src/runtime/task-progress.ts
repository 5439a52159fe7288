/** How far a running task has come, for whoever watches: uncommitted work included. */
import type { Offset, PartitionOffset } from '../log/log.ts'
import type { BoundedRun } from './bounded-run.ts'
import type { RunningTask } from './running-task.ts'

/** What a task of this instance has done and stands at. */
export interface TaskProgress {
  readonly task: string
  /** Records worked since the task was started here. */
  readonly worked: number
  /** Event time of the task: the minimum over its inputs; minus infinity before the first record. */
  readonly watermarkMs: number
  /** `offset`: the next one to work; `runEnd`: where the bounded run under way ends. */
  readonly inputs: readonly (PartitionOffset & { readonly runEnd: Offset | undefined })[]
}

/** The progress of one task; `run` is the bounded run under way, if any. */
export function taskProgress(running: RunningTask, run: BoundedRun | undefined): TaskProgress {
  const { task } = running
  return {
    task: task.name,
    worked: task.worked,
    watermarkMs: task.inputs.progress.minimumMs,
    inputs: running.inputOffsets().map((input) => {
      const end = run?.ends[`${input.topic}/${input.partition}`]
      return { ...input, runEnd: end === undefined ? undefined : BigInt(end) }
    }),
  }
}
