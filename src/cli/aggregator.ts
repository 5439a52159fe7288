/** Runs the sensor application with the settings of the command line. */
import { ConfigError } from '../errors.ts'
import type { Log } from '../log/log.ts'
import type { StreamsConfigInput } from '../runtime/config.ts'
import { StreamsApp } from '../runtime/streams-app.ts'
import type { SensorSerdes } from '../sensors/sensor-serdes.ts'
import { SENSOR_DEFAULTS, sensorTopology, type SensorTopologyOptions } from '../sensors/sensor-topology.ts'
import type { StateDirectory } from '../state/backend.ts'
import type { Topology } from '../topology/topology.ts'
import type { CommandContext } from './command.ts'
import { deadLetterTopicOf, lateTopicOf } from './import-records.ts'
import { RunWatch } from './run-watch.ts'
import type { Settings } from './settings.ts'
import { formatDuration } from './setting-values.ts'
import { acquireStateFolder } from './state-folder.ts'
import type { ResolvedSettings } from './resolve-settings.ts'

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

function configOf(settings: Settings): StreamsConfigInput {
  const {
    applicationId,
    topic,
    commitInterval,
    sessionTimeout,
    outOfOrderness,
    idleTimeout,
    closeAfterSilence,
    maxFutureSkew,
  } = settings
  return {
    applicationId,
    commitIntervalMs: commitInterval,
    sessionTimeoutMs: sessionTimeout,
    outOfOrdernessMs: outOfOrderness,
    idleTimeoutMs: idleTimeout,
    closeAfterSilenceMs: closeAfterSilence,
    maxFutureSkewMs: maxFutureSkew,
    lateTopic: lateTopicOf(topic),
    deadLetterTopic: deadLetterTopicOf(topic),
  }
}

/** How a run ended. */
export interface RunOutcome {
  readonly elapsedMs: number
  /** Whether a signal ended it. */
  readonly interrupted: boolean
}

/**
 * Runs until the end, in a bounded run, or until a signal; everything worked by then is committed. The topic of the
 * readings must exist. `onMade` sees the application before it runs.
 */
export async function runAggregator(
  context: CommandContext,
  log: Log,
  serdes: SensorSerdes,
  bounded: { readonly flush: boolean } | undefined,
  onMade?: (app: StreamsApp, directory: StateDirectory) => void,
): Promise<RunOutcome> {
  const { settings, clock, random, signal, directories } = context
  if (signal.aborted) return { elapsedMs: 0, interrupted: true }
  const directory = await acquireStateFolder(directories, settings.applicationId)
  let app: StreamsApp
  try {
    app = new StreamsApp({
      topology: aggregatorTopology(settings, serdes),
      config: configOf(settings),
      log,
      directory,
      clock,
      random,
      ...(bounded !== undefined && { bounded }),
    })
  } catch (error) {
    await directory.close()
    throw error
  }
  onMade?.(app, directory)
  const watch = new RunWatch(context, app, log, bounded !== undefined)
  const startedMs = clock.monotonic()
  const stop = (): void => void app.stop()
  signal.addEventListener('abort', stop)
  try {
    await app.run()
  } finally {
    signal.removeEventListener('abort', stop)
    watch.end()
  }
  return { elapsedMs: clock.monotonic() - startedMs, interrupted: signal.aborted && !watch.finished }
}
