/**
 * Whether an instance does its share: the group has given out the tasks, and all that are this instance's are running.
 * An instance that was given none is ready too; it takes over when another one goes.
 *
 * Told from events and task states alone, so that asking costs nothing and works while the log cannot be reached.
 */
import type { StreamsEvent } from '../runtime/events.ts'
import type { ObservedApp } from './observed-app.ts'

/** The answer. Codes are stable, reasons are for people. */
export type Readiness =
  | { readonly ready: true; readonly tasks: readonly string[] }
  | { readonly ready: false; readonly code: UnreadyCode; readonly reason: string }

export type UnreadyCode =
  /** Not yet, or no longer, running. */
  | 'APPLICATION_NOT_RUNNING'
  /** The group has not given out the tasks, or takes them back to give them out anew. */
  | 'TASKS_NOT_ASSIGNED'
  /** Tasks get their state from the changelog. */
  | 'TASKS_RESTORING'
  /** Tasks are between their assignment and their start, or start again after a failure. */
  | 'TASKS_NOT_RUNNING'

/** Follows one application from its making. */
export class ReadinessWatch {
  private readonly app: ObservedApp['app']
  /** The tasks of the assignment in force; `undefined` while there is none. */
  private assigned: readonly string[] | undefined
  /** What was restored last since tasks were last started or taken away. */
  private restoring: string | undefined

  /** To be made before the application runs: what it told before is not known. */
  constructor(app: ObservedApp['app']) {
    this.app = app
    app.events.subscribe((event) => this.take(event))
  }

  /** As of now. */
  get readiness(): Readiness {
    const { app, assigned, restoring } = this
    if (app.state !== 'running') return unready('APPLICATION_NOT_RUNNING', `the application is ${app.state}`)
    const running = app.progress.filter(({ state }) => state === 'running').map(({ task }) => task)
    const missing = assigned?.filter((task) => !running.includes(task))
    if (missing?.length === 0) return { ready: true, tasks: assigned!.toSorted() }
    if (restoring !== undefined) return unready('TASKS_RESTORING', `restoring ${restoring}`)
    if (missing === undefined) return unready('TASKS_NOT_ASSIGNED', 'the group has not given out the tasks')
    return unready('TASKS_NOT_RUNNING', `not running: ${missing.join(', ')}`)
  }

  private take(event: StreamsEvent): void {
    switch (event.type) {
      case 'tasks-assigned':
        this.assigned = event.tasks
        this.restoring = undefined
        break
      case 'tasks-revoked':
      case 'tasks-lost':
        this.assigned = undefined
        this.restoring = undefined
        break
      case 'recovering':
        this.restoring = undefined
        break
      case 'restore-progress':
        this.restoring = `${event.task}/${event.store}: ${event.restored} of ${event.total} offsets`
        break
      default:
        break
    }
  }
}

function unready(code: UnreadyCode, reason: string): Readiness {
  return { ready: false, code, reason }
}
