/**
 * Several workers as one application: what they tell, put together for the log lines, the progress bar, the metrics and
 * the health of the process.
 */
import type { AppState } from '../runtime/app-state.ts'
import { EventBus, type StreamsEvent } from '../runtime/events.ts'
import type { StandbyProgress } from '../runtime/standby-task.ts'
import type { TaskProgress } from '../runtime/task-progress.ts'
import type { WatchedApp } from '../web/observed-app.ts'
import type { Standing } from './worker-messages.ts'

interface WorkerView {
  state: AppState
  standing: Standing
  /** `undefined` between a rebalance and the next assignment. */
  assigned: readonly string[] | undefined
  /** The last bounded run that it has finished; 0 for none. */
  finishedRun: number
}

const NOTHING: Standing = { progress: [], standbys: [] }
/** States in the order of a life: as a whole, workers are where the last of them is. */
const LIFE: readonly AppState[] = ['created', 'starting', 'running', 'stopping', 'stopped']

/** Made before the workers start; told of everything they tell. */
export class FleetView implements WatchedApp {
  private readonly bus = new EventBus()
  readonly events = this.bus.events
  private readonly workers: readonly WorkerView[]

  constructor(count: number) {
    this.workers = Array.from({ length: count }, () => ({
      state: 'created',
      standing: NOTHING,
      assigned: undefined,
      finishedRun: 0,
    }))
  }

  /** Failed as soon as one has; else the earliest state of a life that one of them is in. */
  get state(): AppState {
    const states = new Set(this.workers.map(({ state }) => state))
    return states.has('failed') ? 'failed' : LIFE.find((state) => states.has(state))!
  }

  /** Every task once: while it moves from one worker to another, as the one says that runs it. */
  get progress(): readonly TaskProgress[] {
    const tasks = new Map<string, TaskProgress>()
    for (const task of this.workers.flatMap(({ standing }) => standing.progress)) {
      const known = tasks.get(task.task)
      if (known === undefined || isNewer(task, known)) tasks.set(task.task, task)
    }
    return [...tasks.values()].sort((a, b) => (a.task < b.task ? -1 : 1))
  }

  /** The copies of all workers; of no task twice, since they are of one process. */
  get standbys(): readonly StandbyProgress[] {
    return this.workers.flatMap(({ standing }) => standing.standbys)
  }

  /** How things stand with a worker. */
  standing(worker: number, standing: Standing): void {
    this.workers[worker]!.standing = standing
  }

  /** Something happened in a worker, and how things stand with it now. */
  event(worker: number, event: StreamsEvent, standing: Standing): void {
    this.standing(worker, standing)
    const view = this.workers[worker]!
    switch (event.type) {
      case 'state':
        return this.setState(view, event.state)
      case 'tasks-assigned':
        view.assigned = event.tasks
        return this.tellAssigned()
      case 'tasks-revoked':
      case 'tasks-lost':
        view.assigned = undefined
        return this.bus.emit(event)
      case 'run-finished':
        return this.finishRun(view, event.run)
      default:
        return this.bus.emit(event)
    }
  }

  /** A worker has ended, with or without having said so; nothing more comes from it. */
  ended(worker: number, failed: boolean): void {
    const view = this.workers[worker]!
    view.standing = NOTHING
    this.setState(view, failed ? 'failed' : 'stopped')
    // The others may all have what they were given since.
    if (!failed) this.tellAssigned()
  }

  private setState(view: WorkerView, state: AppState): void {
    const before = this.state
    view.state = state
    if (this.state !== before) this.bus.emit({ type: 'state', state: this.state })
  }

  /** A run has ended when it has for all. */
  private finishRun(view: WorkerView, run: number): void {
    const before = this.finishedRun
    view.finishedRun = run
    if (this.finishedRun > before) this.bus.emit({ type: 'run-finished', run: this.finishedRun })
  }

  private get finishedRun(): number {
    return Math.min(...this.workers.map(({ finishedRun }) => finishedRun))
  }

  /** All tasks, once every worker has been told which are its own. */
  private tellAssigned(): void {
    const assigned = this.workers.filter(isAtWork).map((view) => view.assigned)
    if (assigned.length === 0 || assigned.includes(undefined)) return
    this.bus.emit({ type: 'tasks-assigned', tasks: assigned.flatMap((tasks) => tasks ?? []).sort() })
  }
}

function isAtWork({ state }: WorkerView): boolean {
  return state !== 'stopping' && state !== 'stopped' && state !== 'failed'
}

function isNewer(task: TaskProgress, than: TaskProgress): boolean {
  const [runs, other] = [task.state === 'running', than.state === 'running']
  return runs === other ? task.commitId > than.commitId : runs
}
