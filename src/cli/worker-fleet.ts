/**
 * The workers of `millrace run --workers`, each in a thread of its own, and the main thread's care for them: it holds
 * the locks of their state, passes on the wish to stop, puts together what they tell, and when one fails stops the
 * others and tells why, once.
 */
import { Worker } from 'node:worker_threads'
import { FatalError, messageOf } from '../errors.ts'
import type { StateDirectory } from '../state/backend.ts'
import type { CommandContext } from './command.ts'
import { FleetView } from './fleet-view.ts'
import { unpackError } from './packed-error.ts'
import { acquireStateFolder } from './state-folder.ts'
import type { FromWorker, ToWorker, WorkerOrder } from './worker-messages.ts'

/** The compiled file beside this one, compiled. */
const THREAD = new URL('./worker-thread.js', import.meta.url)

/** Made by `open`; `run` once. */
export class WorkerFleet {
  readonly app: FleetView
  private readonly context: CommandContext
  private readonly directories: readonly StateDirectory[]
  private readonly bounded: WorkerOrder['bounded']
  private readonly processId: string
  private threads: readonly Thread[] = []

  private constructor(
    context: CommandContext,
    directories: readonly StateDirectory[],
    bounded: WorkerOrder['bounded'],
  ) {
    this.context = context
    this.directories = directories
    this.bounded = bounded
    this.processId = context.random.uuid()
    this.app = new FleetView(directories.length)
  }

  /** Takes a state folder for each worker; starts nothing. */
  static async open(context: CommandContext, bounded: WorkerOrder['bounded']): Promise<WorkerFleet> {
    const { settings, directories } = context
    const acquired: StateDirectory[] = []
    try {
      for (let worker = 0; worker < settings.workers; worker++) {
        acquired.push(await acquireStateFolder(directories, settings.applicationId))
      }
    } catch (error) {
      await Promise.all(acquired.map((directory) => directory.close()))
      throw error
    }
    return new WorkerFleet(context, acquired, bounded)
  }

  /** Where the workers keep their state. */
  get folders(): readonly string[] {
    return this.directories.map(({ location }) => location)
  }

  /** Starts the threads; resolves when all have ended. Rejects with the failure of the first that failed. */
  async run(): Promise<void> {
    const failures: unknown[] = []
    this.threads = this.folders.map((folder, worker) => this.start(folder, worker))
    await Promise.all(
      this.threads.map(async (thread, worker) => {
        const failure = await thread.ended
        this.app.ended(worker, failure !== undefined)
        await this.directories[worker]!.close()
        if (failure === undefined) return
        failures.push(failure)
        if (failures.length === 1) this.stop()
        else this.context.logger.debug({ worker, reason: messageOf(failure) }, 'another worker failed too')
      }),
    )
    if (failures.length > 0) throw failures[0] as Error
  }

  /** Each worker commits what it has worked, gives up its tasks and ends. */
  stop(): void {
    for (const thread of this.threads) thread.stop()
  }

  private start(stateFolder: string, worker: number): Thread {
    const { settings, packageRoot } = this.context
    const { bounded, processId } = this
    return startThread({ settings, stateFolder, bounded, packageRoot, processId }, (message) => {
      if (message.type === 'event') this.app.event(worker, message.event, message.standing)
      else this.app.standing(worker, message.standing)
    })
  }
}

interface Thread {
  /** Resolves when the thread is gone, with what it failed with; never rejects. */
  readonly ended: Promise<unknown>
  stop(): void
}

function startThread(
  order: WorkerOrder,
  onMessage: (message: Exclude<FromWorker, { type: 'ended' }>) => void,
): Thread {
  const worker = new Worker(THREAD, { workerData: order })
  const ended = new Promise<unknown>((resolve) => {
    let failure: unknown = new FatalError('WORKER_ENDED', 'A worker ended without saying why.')
    worker.on('message', (message: FromWorker) => {
      if (message.type !== 'ended') return onMessage(message)
      failure = message.failure === undefined ? undefined : unpackError(message.failure)
      // Everything of it is closed; what a library has left open must not keep the thread.
      void worker.terminate()
    })
    worker.on('error', (error: unknown) => (failure = error))
    worker.on('exit', () => resolve(failure))
  })
  return { ended, stop: () => worker.postMessage('stop' satisfies ToWorker) }
}
