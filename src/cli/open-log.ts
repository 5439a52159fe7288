/** Chooses the log and the place of local state. */
import { stat } from 'node:fs/promises'
import path from 'node:path'
import type { Clock, Random } from '../clock.ts'
import { FatalError } from '../errors.ts'
import { openEmbeddedLog } from '../log/embedded/index.ts'
import { openKafkaLog } from '../log/kafka/index.ts'
import type { Log } from '../log/log.ts'
import { patientLog } from '../runtime/patient-log.ts'
import type { Directories } from './command.ts'
import { kafkaOptions } from './kafka-settings.ts'
import type { Settings } from './settings.ts'
import type { Terminal } from './terminal.ts'

/** How long opening the log may take before a person is told what is waited for. */
const TELL_AFTER_MS = 2_000
/** How long one call is repeated while the log cannot be reached. */
const PATIENCE_MS = 30_000

/** The directories below a data directory. */
export function directoriesIn(dataDir: string): Directories {
  const data = path.resolve(dataDir)
  return { data, log: path.join(data, 'log'), state: path.join(data, 'state') }
}

/** What opening needs. */
export interface OpenLogSpec {
  readonly settings: Settings
  readonly directories: Directories
  readonly clock: Clock
  readonly random: Random
  readonly terminal: Pick<Terminal, 'note'>
}

/**
 * Opens the log: that of a Kafka cluster, or the embedded one, alone or beside other processes. `existing`:
 * `FatalError` `LOG_MISSING` where there is no embedded one.
 */
export async function openLog(spec: OpenLogSpec, mode: 'create' | 'existing'): Promise<Log> {
  const { settings, clock, random } = spec
  const log =
    settings.log === 'kafka'
      ? await openKafkaLog({ ...(await kafkaOptions(settings)), clock, random })
      : await openEmbedded(spec, mode)
  // Who leads a partition, or owns the data directory, may change under a command: for a moment calls fail that can be
  // made again.
  return patientLog(log, { clock, random }, PATIENCE_MS)
}

async function openEmbedded(spec: OpenLogSpec, mode: 'create' | 'existing'): Promise<Log> {
  const { directories, clock, random, terminal } = spec
  if (mode === 'existing' && !(await exists(directories.log))) {
    throw new FatalError(
      'LOG_MISSING',
      `There is no log in ${directories.data} yet. Import or generate some readings first, or name another --data-dir.`,
    )
  }
  const timer = clock.schedule(TELL_AFTER_MS, () => {
    terminal.note(
      `Waiting for the log in ${directories.log}: another process holds it and does not answer yet …`,
    )
  })
  try {
    return await openEmbeddedLog({ directory: directories.log, clock, random })
  } finally {
    timer.cancel()
  }
}

async function exists(directory: string): Promise<boolean> {
  try {
    await stat(directory)
    return true
  } catch (error) {
    // Anything else than missing is told by whoever opens it.
    return (error as NodeJS.ErrnoException).code !== 'ENOENT'
  }
}
