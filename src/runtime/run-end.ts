/** When an instance may end with a bounded run. */
import type { Application } from './application.ts'
import type { RunningTask } from './running-task.ts'

/** How often is looked whether the others have finished too. */
const LOOK_MS = 500

/** Tells when the end of the application's bounded run has come for this instance. */
export class RunEnd {
  private readonly application: Application
  private told = false
  private lookedAtMs = -Infinity

  constructor(application: Application) {
    this.application = application
  }

  /**
   * Whether all of `tasks` have finished the run, with everything committed; and, where the instance has a run of its
   * own to come, all others have too: until then it may have to take over what one that dies leaves.
   */
  async isReachedBy(tasks: Iterable<RunningTask>): Promise<boolean> {
    const { run, stopsAtEnd, events } = this.application
    if (!stopsAtEnd || run === undefined) return false
    for (const { task } of tasks) {
      if (!task.isDone || task.hasChanges) return false
    }
    if (!this.told) events.emit({ type: 'run-finished', run: run.run })
    this.told = true
    return this.mayLeave()
  }

  private async mayLeave(): Promise<boolean> {
    const { clock, hasRunToCome, isRunFinished } = this.application
    if (!hasRunToCome) return true
    const now = clock.monotonic()
    if (now < this.lookedAtMs + LOOK_MS) return false
    this.lookedAtMs = now
    return isRunFinished()
  }
}
