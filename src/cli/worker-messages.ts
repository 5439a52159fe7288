/** What the main thread and the threads of workers say to each other. Everything is plain data. */
import type { StreamsEvent } from '../runtime/events.ts'
import type { StandbyProgress } from '../runtime/standby-task.ts'
import type { TaskProgress } from '../runtime/task-progress.ts'
import type { PackedError } from './packed-error.ts'
import type { Settings } from './settings.ts'

/** What a thread is started with. Holds passwords: never to be shown. */
export interface WorkerOrder {
  readonly settings: Settings
  /** Where its state is; the main thread holds the lock. */
  readonly stateFolder: string
  readonly bounded: { readonly flush: boolean } | undefined
  readonly packageRoot: string
  /** The same for all workers of the process. */
  readonly processId: string
}

/** Asks a thread to commit, to give up its tasks and to end. */
export type ToWorker = 'stop'

/** What a thread tells. */
export type FromWorker =
  /** Something happened; how things stand with it. */
  | { readonly type: 'event'; readonly event: StreamsEvent; readonly standing: Standing }
  /** Nothing in particular happened. */
  | { readonly type: 'standing'; readonly standing: Standing }
  /** The last message. */
  | { readonly type: 'ended'; readonly failure: PackedError | undefined }

/** How far the tasks of a worker have come, and its standby copies. */
export interface Standing {
  readonly progress: readonly TaskProgress[]
  readonly standbys: readonly StandbyProgress[]
}
