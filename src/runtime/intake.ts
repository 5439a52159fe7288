/** What a worker reads while it works: one poll is always on its way, and its answer waits for its turn. */
import type { LogReader, PollResult } from '../log/log.ts'
import type { TaskFeeder } from './task-feeder.ts'
import type { Wake } from './wake.ts'

/** Longest wait of a poll. */
export const POLL_WAIT_MS = 100

/** Reads on while the tasks work, and hands out between two rounds. */
export class Intake {
  private readonly reader: LogReader
  private readonly feeder: TaskFeeder
  private readonly wake: Wake
  private readonly onFailed: (error: unknown) => void
  private polling: Promise<void> | undefined
  private polled: PollResult | undefined

  constructor(reader: LogReader, feeder: TaskFeeder, wake: Wake, onFailed: (error: unknown) => void) {
    this.reader = reader
    this.feeder = feeder
    this.wake = wake
    this.onFailed = onFailed
  }

  /** Whether something was read and not handed out. */
  get isWaiting(): boolean {
    return this.polled !== undefined
  }

  /** Gives what was read to the tasks and asks for more. */
  handOut(): void {
    if (this.polled !== undefined) {
      const polled = this.polled
      this.polled = undefined
      this.feeder.distribute(polled)
      if (polled.chunks.length > 0) this.wake.signal()
    }
    this.polling ??= this.poll().then(
      (result) => {
        this.polled = result
        this.polling = undefined
        this.wake.signal()
      },
      (error: unknown) => {
        this.polling = undefined
        this.onFailed(error)
        this.wake.signal()
      },
    )
  }

  private async poll(): Promise<PollResult> {
    return this.feeder.prepare(await this.reader.poll(POLL_WAIT_MS))
  }
}
