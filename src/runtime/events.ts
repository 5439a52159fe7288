/** What an application tells of itself, as one stream of events; loggers, progress bars and metrics listen. */
import { Subject, type Observable } from 'rxjs'
import type { AppState } from './app-state.ts'
import type { RestoreProgress } from './restore.ts'

export type StreamsEvent =
  | { readonly type: 'state'; readonly state: AppState }
  | { readonly type: 'tasks-assigned'; readonly tasks: readonly string[] }
  | { readonly type: 'tasks-revoked'; readonly tasks: readonly string[] }
  /** The tasks now belong to others; what was not committed is forgotten. */
  | { readonly type: 'tasks-lost'; readonly tasks: readonly string[]; readonly reason: string }
  | ({ readonly type: 'restore-progress'; readonly task: string } & RestoreProgress)
  /** A task is ready. `replayed`: changelog records that local state lacked. */
  | {
      readonly type: 'task-started'
      readonly task: string
      readonly replayed: number
      /** Why the state on disk was removed first; `undefined` when it was kept. */
      readonly wipedBecause: string | undefined
      /** Number of the commit it goes on from; 0 for none. */
      readonly commitId: number
    }
  /** A standby copy is open and follows its changelogs from now on. */
  | {
      readonly type: 'standby-started'
      readonly task: string
      /** Why the state on disk was removed first; `undefined` when it was kept. */
      readonly wipedBecause: string | undefined
    }
  /** A standby copy was given up; it is begun again by itself. */
  | {
      readonly type: 'standby-failed'
      readonly task: string
      readonly code: string
      readonly message: string
    }
  | {
      readonly type: 'committed'
      readonly tasks: number
      /** Records worked since the last commit. */
      readonly records: number
      readonly durationMs: number
    }
  /** Somebody holds the application, to take a savepoint: it goes on afterwards, or ends. */
  | { readonly type: 'paused'; readonly pause: 'hold' | 'stop' }
  /** A bounded run has ended in all tasks of this instance. */
  | { readonly type: 'run-finished'; readonly run: number }
  /** Something went wrong that the application mends by itself. */
  | { readonly type: 'recovering'; readonly code: string; readonly message: string }
  | { readonly type: 'warning'; readonly message: string }

export class EventBus {
  private readonly subject = new Subject<StreamsEvent>()
  readonly events: Observable<StreamsEvent> = this.subject.asObservable()

  emit(event: StreamsEvent): void {
    this.subject.next(event)
  }
}
