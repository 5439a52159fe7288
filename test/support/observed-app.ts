/** An application that says of itself what a test wants, for who only watches. */
import type { AppState } from '../../src/runtime/app-state.ts'
import { EventBus, type StreamsEvent } from '../../src/runtime/events.ts'
import type { StandbyProgress } from '../../src/runtime/standby-task.ts'
import type { TaskInputProgress, TaskProgress } from '../../src/runtime/task-progress.ts'

export class FakeApp {
  state: AppState = 'created'
  progress: readonly TaskProgress[] = []
  standbys: readonly StandbyProgress[] = []
  private readonly bus = new EventBus()
  readonly events = this.bus.events

  tell(...events: readonly StreamsEvent[]): void {
    for (const event of events) this.bus.emit(event)
  }

  /** Runs these tasks, as the group has told. */
  runs(...tasks: readonly TaskProgress[]): void {
    this.state = 'running'
    this.progress = tasks
    this.tell({ type: 'tasks-assigned', tasks: tasks.map(({ task }) => task) })
  }
}

/** A running task that has done nothing. */
export function taskThat(task: string, has: Partial<TaskProgress> = {}): TaskProgress {
  return {
    task,
    state: 'running',
    worked: 0,
    watermarkMs: -Infinity,
    openWindows: 0,
    commitId: 0,
    counts: {},
    inputs: [],
    ...has,
  }
}

/** An input of which nothing was read. */
export function inputThat(has: Partial<TaskInputProgress> = {}): TaskInputProgress {
  return {
    topic: 'readings',
    partition: 0,
    offset: 0n,
    runEnd: undefined,
    watermarkMs: -Infinity,
    idle: false,
    ...has,
  }
}
