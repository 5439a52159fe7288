/** Runs the sensor application with the settings of the command line. */
import type { Clock, Random } from '../clock.ts'
import { ConfigError } from '../errors.ts'
import type { Log } from '../log/log.ts'
import type { StreamsConfigInput } from '../runtime/config.ts'
import { StreamsApp } from '../runtime/streams-app.ts'
import type { SensorSerdes } from '../sensors/sensor-serdes.ts'
import { SENSOR_DEFAULTS, sensorTopology, type SensorTopologyOptions } from '../sensors/sensor-topology.ts'
import type { StateDirectory } from '../state/backend.ts'
import type { Topology } from '../topology/topology.ts'
import type { WatchedApp } from '../web/observed-app.ts'
import type { CommandContext } from './command.ts'
import { deadLetterTopicOf, lateTopicOf } from './import-records.ts'
import { RunWatch } from './run-watch.ts'
import type { Settings } from './settings.ts'
import { formatDuration } from './setting-values.ts'
import { acquireStateFolder } from './state-folder.ts'
import type { ResolvedSettings } from './resolve-settings.ts'
import { WorkerFleet } from './worker-fleet.ts'

/** The settings that decide how readings become results. */
export const AGGREGATOR_SETTINGS = [
  'topic',
  'window',
  'advance',
  'grace',
  'outOfOrderness',
  'idleTimeout',
  'closeAfterSilence',
  'validRange',
  'commitInterval',
  'sessionTimeout',
  'emit',
  'maxFutureSkew',
  'deduplicate',
  'rekey',
] as const

/** Settings of the aggregator that contradict each other. */
export function aggregatorProblems({ values }: ResolvedSettings): readonly string[] {
  const { window, advance, idleTimeout, closeAfterSilence } = values
  const problems: string[] = []
  if (advance !== undefined && advance > window) {
    problems.push(
      `--advance (${formatDuration(advance)}) must not be more than --window (${formatDuration(window)}): ` +
        'readings in between would be in no window',
    )
  }
  if (closeAfterSilence !== null && idleTimeout === null) {
    problems.push('--close-after-silence needs an --idle-timeout: silence is counted from there')
  }
  return problems
}

/** The options of the topology. */
export function topologyOptions(settings: Settings): SensorTopologyOptions {
  const { window, advance, grace, emit, validRange, deduplicate, rekey, topic } = settings
  return {
    windowMs: window,
    advanceMs: advance ?? window,
    graceMs: grace,
    emit,
    validRange,
    deduplicate,
    rekey,
    readingsTopic: topic,
    aggregatesTopic: SENSOR_DEFAULTS.aggregatesTopic,
    lateTopic: lateTopicOf(topic),
  }
}

/** The topology of the settings. `ConfigError` for windows that it cannot have. */
export function aggregatorTopology(settings: Settings, serdes: SensorSerdes): Topology {
  try {
    return sensorTopology(topologyOptions(settings), serdes)
  } catch (error) {
    throw error instanceof RangeError ? new ConfigError([error.message]) : error
  }
}

/** The configuration of the application. */
export function configOf(settings: Settings): StreamsConfigInput {
  const {
    applicationId,
    topic,
    commitInterval,
    sessionTimeout,
    outOfOrderness,
    idleTimeout,
    closeAfterSilence,
    maxFutureSkew,
    standbys,
  } = settings
  return {
    applicationId,
    commitIntervalMs: commitInterval,
    sessionTimeoutMs: sessionTimeout,
    outOfOrdernessMs: outOfOrderness,
    idleTimeoutMs: idleTimeout,
    closeAfterSilenceMs: closeAfterSilence,
    maxFutureSkewMs: maxFutureSkew,
    standbys,
    lateTopic: lateTopicOf(topic),
    deadLetterTopic: deadLetterTopicOf(topic),
  }
}

/** What an instance of the aggregator is made of. */
export interface AggregatorParts {
  readonly settings: Settings
  readonly log: Log
  readonly serdes: SensorSerdes
  readonly directory: StateDirectory
  readonly clock: Clock
  readonly random: Random
  /** The same for all workers of a process. */
  readonly processId?: string
  /** Ends where the topic of the readings ends now; `undefined`: never. */
  readonly bounded: { readonly flush: boolean } | undefined
}

/** An instance, to be run. `ConfigError` for settings that make no sense together; the directory is closed then. */
export async function makeAggregator(parts: AggregatorParts): Promise<StreamsApp> {
  const { settings, serdes, bounded, ...rest } = parts
  try {
    return new StreamsApp({
      topology: aggregatorTopology(settings, serdes),
      config: configOf(settings),
      ...rest,
      ...(bounded !== undefined && { bounded }),
    })
  } catch (error) {
    await parts.directory.close()
    throw error
  }
}

/** How a run ended. */
export interface RunOutcome {
  readonly elapsedMs: number
  /** Whether a signal ended it. */
  readonly interrupted: boolean
}

/** What runs: one instance in this thread, or several in threads of their own. */
interface Runner {
  readonly app: WatchedApp
  /** Where it keeps its state. */
  readonly folders: readonly string[]
  run(): Promise<void>
  stop(): void
}

/**
 * Runs until the end, in a bounded run, or until a signal; everything worked by then is committed. The topic of the
 * readings must exist. `onMade` sees the application before it runs, and the folders of its state.
 */
export async function runAggregator(
  context: CommandContext,
  log: Log,
  serdes: SensorSerdes,
  bounded: { readonly flush: boolean } | undefined,
  onMade?: (app: WatchedApp, folders: readonly string[]) => void,
): Promise<RunOutcome> {
  const { settings, clock, signal } = context
  if (signal.aborted) return { elapsedMs: 0, interrupted: true }
  const several = settings.workers > 1
  const runner = several
    ? await WorkerFleet.open(context, bounded)
    : await single(context, log, serdes, bounded)
  onMade?.(runner.app, runner.folders)
  const watch = new RunWatch(context, runner.app, log, bounded !== undefined)
  const startedMs = clock.monotonic()
  const stop = (): void => runner.stop()
  signal.addEventListener('abort', stop)
  try {
    await runner.run()
  } finally {
    signal.removeEventListener('abort', stop)
    watch.end()
  }
  return { elapsedMs: clock.monotonic() - startedMs, interrupted: signal.aborted && !watch.finished }
}

async function single(
  { settings, clock, random, directories }: CommandContext,
  log: Log,
  serdes: SensorSerdes,
  bounded: AggregatorParts['bounded'],
): Promise<Runner> {
  const directory = await acquireStateFolder(directories, settings.applicationId)
  const app = await makeAggregator({ settings, log, serdes, directory, clock, random, bounded })
  return { app, folders: [directory.location], run: () => app.run(), stop: () => void app.stop() }
}
