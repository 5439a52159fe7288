/**
 * The thread of one worker of `millrace run --workers`: a whole instance of the aggregator, with its own way to the
 * log, its own membership and its own state. It reads neither the command line nor the environment and writes to no
 * terminal: it is told what to do, and tells the main thread what happens.
 */
import { parentPort, workerData, type MessagePort } from 'node:worker_threads'
import { systemClock, systemRandom } from '../clock.ts'
import { LevelStateDirectory } from '../state/level-directory.ts'
import { makeAggregator } from './aggregator.ts'
import { directoriesIn, openLog } from './open-log.ts'
import { packError } from './packed-error.ts'
import { openSensorSerdes } from './value-format.ts'
import type { FromWorker, Standing, WorkerOrder } from './worker-messages.ts'

/** How often is told how far the tasks are while nothing else is. */
const TELL_MS = 250
const [clock, random] = [systemClock, systemRandom]

if (parentPort !== null) void work(parentPort, workerData as WorkerOrder)

async function work(port: MessagePort, order: WorkerOrder): Promise<void> {
  const tell = (message: FromWorker): void => port.postMessage(message)
  const stopping = new AbortController()
  port.on('message', () => stopping.abort())
  let failure: unknown
  try {
    await aggregate(order, tell, stopping.signal)
  } catch (error) {
    failure = error ?? new Error('nothing was thrown')
  }
  tell({ type: 'ended', failure: failure === undefined ? undefined : packError(failure) })
}

async function aggregate(
  { settings, stateFolder, bounded, packageRoot, processId }: WorkerOrder,
  tell: (message: FromWorker) => void,
  stop: AbortSignal,
): Promise<void> {
  const directories = directoriesIn(settings.dataDir)
  // The main thread has opened the same log before, and has told whoever waits what is waited for.
  const terminal = { note: () => undefined }
  const log = await openLog({ settings, directories, clock, random, terminal }, 'existing')
  try {
    const serdes = await openSensorSerdes({ settings, clock, random, packageRoot })
    const directory = LevelStateDirectory.lent(stateFolder)
    const app = await makeAggregator({ settings, log, serdes, directory, clock, random, processId, bounded })
    const standing = (): Standing => ({ progress: app.progress, standbys: app.standbys })
    app.events.subscribe((event) => tell({ type: 'event', event, standing: standing() }))
    const stopApp = (): void => void app.stop()
    stop.addEventListener('abort', stopApp)
    if (stop.aborted) stopApp()
    const tellLater = (): void => {
      clock.schedule(
        TELL_MS,
        () => {
          tell({ type: 'standing', standing: standing() })
          tellLater()
        },
        { background: true },
      )
    }
    tellLater()
    if (app.state === 'created') await app.run()
  } finally {
    await log.close()
  }
}
