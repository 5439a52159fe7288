/**
 * All settings of all commands, in one table: what they are called on the command line, in the environment and in the
 * configuration file, what they can be, and what they mean.
 *
 * The key is the name in the file (`dataDir`); the environment has `MILLRACE_DATA_DIR`, the command line `--data-dir`
 * unless the row names another flag. A row marked `oneShot` belongs to one call and is a flag only.
 */
import { PROMOTION_SETTINGS } from './promotion-settings.ts'
import { SAVEPOINT_SETTINGS } from './savepoint-settings.ts'
import { given, optional, toggle, type Setting } from './setting-rows.ts'
import * as kinds from './setting-values.ts'

const ONCE = { oneShot: true } as const
/** The log's transactions time out after 10 s; a commit must come well before. */
const COMMIT_INTERVAL_MS_MAX = 9_000

/** The table. */
export const SETTINGS = {
  // Of every command
  log: given(
    kinds.choice('embedded', 'kafka'),
    'kind',
    'embedded',
    'Where topics are kept: embedded, in the data directory, or kafka.',
  ),
  brokers: optional(
    kinds.list(),
    'host:port,…',
    'With --log kafka: some of the brokers, separated by commas; they tell of the others.',
  ),
  tls: toggle('false', 'With --log kafka: encrypted connections.'),
  tlsCa: optional(
    kinds.text(),
    'file',
    'With --tls: certificates (PEM) to trust instead of those of the system.',
  ),
  saslMechanism: optional(
    kinds.choice('plain', 'scram-sha-256', 'scram-sha-512', 'oauthbearer'),
    'name',
    'With --log kafka: how to log in: plain, scram-sha-256, scram-sha-512 or oauthbearer.',
  ),
  saslUsername: optional(kinds.text(), 'name', 'Name to log in with.'),
  saslPassword: optional(
    kinds.text(),
    'secret',
    'Password, or the token of oauthbearer, to log in with; better from the environment than as a flag.',
  ),
  compression: given(
    kinds.choice('none', 'gzip', 'snappy', 'lz4', 'zstd'),
    'codec',
    'none',
    'With --log kafka: compression of what is written: none, gzip, snappy, lz4 or zstd.',
  ),
  replicationFactor: optional(
    kinds.whole(1, 100),
    'count',
    "With --log kafka: replicas of the topics that are made. Default: the broker's.",
  ),
  dataDir: given(kinds.text(), 'dir', '.millrace', 'Directory of the embedded log and of local state.'),
  applicationId: given(
    kinds.topicName(),
    'id',
    'sensors',
    'Names the application: its group, its state and its internal topics.',
  ),
  config: optional(
    kinds.text(),
    'file',
    'Settings from a JSON or YAML file; flags and environment go before it.',
    ONCE,
  ),
  logLevel: given(
    kinds.choice('trace', 'debug', 'info', 'warn', 'error', 'silent'),
    'level',
    'info',
    'Least important log line written to stderr: trace, debug, info, warn, error or silent.',
  ),
  json: toggle('false', 'Results on stdout as JSON, for programs.'),
  verbose: toggle('false', 'With an error, also where it happened.'),

  // Topics
  topic: given(kinds.topicName(), 'name', 'readings', 'Topic of the readings.'),
  registry: optional(
    kinds.webAddress(),
    'url',
    'Schema registry with the API of Confluent; values are then Avro, unless the format says json.',
  ),
  valueFormat: optional(
    kinds.choice('json', 'avro'),
    'format',
    'Format of readings and results: json or avro. Default: avro where there is a registry.',
    { flag: 'format' },
  ),
  partitions: optional(
    kinds.whole(1, 10_000),
    'count',
    'Partitions of the topic where it is made; an existing one keeps its own. Default: 4.',
  ),

  // import
  sensor: optional(
    kinds.text(),
    'id',
    "Sensor of all readings, whatever the files say. Default: the file's name.",
  ),
  map: optional(
    kinds.columns(),
    'field=column,…',
    'Columns that are named otherwise: timestamp, temperature, sensorId, eventId, status.',
  ),
  importFormat: optional(
    kinds.choice('csv', 'jsonl'),
    'format',
    'csv or jsonl. Default: by the name of each file.',
    {
      flag: 'format',
    },
  ),
  sort: toggle('false', 'Brings the readings of each file into the order of event time first.'),
  again: toggle(
    'false',
    'Does again what is already done: imports, generates from the start, replays, goes back once more.',
    ONCE,
  ),

  // generate
  generateTo: given(
    kinds.text(),
    'topic|file',
    'readings',
    'A topic; or a file, where it has a slash or ends in .jsonl; or - for stdout.',
    { flag: 'to' },
  ),
  sensors: given(kinds.whole(1, 1_000_000), 'count', '10', 'How many sensors.'),
  period: given(kinds.duration(1), 'duration', '1s', 'Time between two readings of a sensor.'),
  start: given(kinds.moment(), 'time', '2024-01-01T00:00:00Z', 'Event time of the first readings.'),
  seed: given(kinds.whole(0), 'number', '1', 'The same seed and settings give the same readings.'),
  count: optional(kinds.whole(1), 'number', 'Ends after so many records. Default: never.'),
  slots: optional(kinds.whole(1), 'number', 'Ends after so many periods. Default: never.'),
  rate: optional(
    kinds.rate(),
    'rate',
    'Records per second, minute or hour, such as 1000/s. Default: as fast as can be.',
  ),
  outOfRangeRate: given(kinds.share(), 'share', '0.05', 'Share of readings outside the valid range.', {
    flag: 'out-of-range',
  }),
  missingRate: given(kinds.share(), 'share', '0.1', 'Share of periods without a reading.', {
    flag: 'missing',
  }),
  lateRate: given(kinds.share(), 'share', '0.01', 'Share of readings that arrive in a later period.', {
    flag: 'late',
  }),
  duplicateRate: given(kinds.share(), 'share', '0.01', 'Share of readings that arrive twice.', {
    flag: 'duplicate',
  }),
  corruptRate: given(kinds.share(), 'share', '0.001', 'Share of records that are no reading.', {
    flag: 'corrupt',
  }),

  // run
  untilEnd: toggle('false', 'Ends at the end of the topic as it is now.', ONCE),
  flush: toggle('false', 'With --until-end: closes the windows that are still open at the end.', ONCE),
  window: given(kinds.duration(1), 'duration', '10m', 'Size of the windows.'),
  advance: optional(
    kinds.duration(1),
    'duration',
    'Time between the starts of two windows. Default: the size.',
  ),
  grace: given(kinds.duration(), 'duration', '1m', 'How long after its end a window still takes readings.'),
  outOfOrderness: given(
    kinds.duration(),
    'duration',
    '0s',
    'How far the watermark stays behind the newest reading.',
  ),
  idleTimeout: given(
    kinds.durationOrNever(1),
    'duration',
    '30s',
    'Silence after which a partition no longer holds up the others; or never.',
  ),
  closeAfterSilence: given(
    kinds.durationOrNever(1),
    'duration',
    'never',
    'Further silence of all partitions after which open windows close.',
  ),
  validRange: given(
    kinds.range(),
    'low..high',
    '50..55',
    'Temperatures that count as normal, both ends included.',
  ),
  commitInterval: given(
    kinds.duration(1, COMMIT_INTERVAL_MS_MAX),
    'duration',
    '100ms',
    'Time between two commits.',
  ),
  sessionTimeout: given(
    kinds.duration(100),
    'duration',
    '10s',
    'Silence after which the others take over the tasks of an instance; Kafka takes 6s to 30m unless told otherwise.',
  ),
  emit: given(
    kinds.choice('close', 'update'),
    'when',
    'close',
    'One result per window when it closes, or each update.',
  ),
  maxFutureSkew: given(
    kinds.durationOrNever(),
    'duration',
    '1h',
    'A reading further ahead of its arrival is a dead letter; or never.',
  ),
  deduplicate: toggle('true', 'Counts a reading again that has an event id seen before.'),
  rekey: toggle('false', 'For topics that are not keyed by sensor: repartitions by sensor first.'),
  workers: given(
    kinds.whole(1, 64),
    'count',
    '1',
    'Threads that share the partitions among them, each an instance of its own.',
  ),
  standbys: given(
    kinds.whole(0, 10),
    'count',
    '0',
    'Copies of the state of each task that other instances keep, to take over without a long restore.',
  ),
  http: optional(
    kinds.listenAddress(),
    'host:port',
    'Serves /metrics, /health/live and /health/ready there; port 0 takes any that is free. Default: nothing.',
  ),

  // run, savepoint
  ...SAVEPOINT_SETTINGS,

  // export, topology, status, reset, dlq
  exportFormat: given(kinds.choice('jsonl', 'csv'), 'format', 'jsonl', 'jsonl or csv.', { flag: 'format' }),
  follow: toggle('false', 'Goes on with what is committed later, until it is stopped.', ONCE),
  from: given(
    kinds.startPoint(),
    'where',
    'earliest',
    'earliest, latest, a time in ISO-8601, or an offset (of one partition).',
    ONCE,
  ),
  partition: optional(kinds.whole(0), 'number', 'Only this partition. Default: all.', ONCE),
  topologyFormat: given(
    kinds.choice('text', 'mermaid', 'json', 'markdown'),
    'format',
    'text',
    'text, mermaid, json or markdown.',
    {
      flag: 'format',
    },
  ),
  check: toggle('false', 'Compares topology.md with the topology; exit code 1 when it is stale.', ONCE),
  write: toggle('false', 'Writes topology.md.', ONCE),
  watch: toggle('false', 'Shows it again every two seconds, until it is stopped.', ONCE),
  dryRun: toggle('false', 'Only shows what would be done.', ONCE),
  yes: toggle('false', 'Does not ask.', ONCE),

  // dlq, audit
  letterTopic: optional(kinds.topicName(), 'name', 'Topic of the dead letters. Default: <topic>.dlq.', {
    flag: 'topic',
    ...ONCE,
  }),
  code: optional(
    kinds.list(),
    'code,…',
    'Only dead letters of these errors; FOREIGN: of unknown origin.',
    ONCE,
  ),
  stage: optional(kinds.list(), 'name,…', 'Only dead letters of these stages.', ONCE),
  letterKey: optional(kinds.list(), 'id,…', 'Only dead letters of these sensors, by their keys.', {
    flag: 'sensor',
    ...ONCE,
  }),
  source: optional(kinds.list(), 'topic,…', 'Only dead letters from these topics.', ONCE),
  header: optional(kinds.pair(), 'name=value', 'Only dead letters with this header.', ONCE),
  eventFrom: optional(
    kinds.moment(),
    'time',
    'Only dead letters with this record timestamp or a later one.',
    ONCE,
  ),
  eventTo: optional(kinds.moment(), 'time', 'Only dead letters with an earlier record timestamp.', ONCE),
  failedFrom: optional(kinds.moment(), 'time', 'Only dead letters that failed then or later.', ONCE),
  failedTo: optional(kinds.moment(), 'time', 'Only dead letters that failed earlier.', ONCE),
  all: toggle('false', 'Also dead letters that are dealt with.', ONCE),
  limit: optional(
    kinds.whole(1),
    'count',
    'Shows so many at most. Default: 50, the newest of the audit; with --json all.',
    ONCE,
  ),
  maxAttempts: optional(
    kinds.whole(1),
    'count',
    'Parks, in <topic>.parked, what was tried so often, instead of replaying it. Default: no limit.',
    ONCE,
  ),
  as: optional(kinds.text(), 'name', 'Who does it, for the audit. Default: user and host.'),

  // backfill reconcile, promote, rollback
  ...PROMOTION_SETTINGS,

  // backfill
  rangeFrom: optional(kinds.moment(), 'time', 'Start of the range: results of windows that end after it.', {
    flag: 'from',
    ...ONCE,
  }),
  rangeTo: optional(kinds.moment(), 'time', 'End of the range: results of windows that end by then.', {
    flag: 'to',
    ...ONCE,
  }),
  lateMode: given(
    kinds.choice('as-live', 'include'),
    'mode',
    'as-live',
    'as-live judges lateness as live did, for audit; include takes every reading, for repair.',
    { flag: 'late', ...ONCE },
  ),
  keys: optional(kinds.list(), 'sensor,…', 'Only results of these sensors. Default: all.', ONCE),
  id: optional(
    kinds.text(),
    'name',
    'What the backfill is called: small letters, digits and dashes. Default: made of the time.',
    ONCE,
  ),
  maxLiveLag: optional(
    kinds.whole(0),
    'records',
    'Rests while the application is further behind than this. Default: never.',
    ONCE,
  ),
} as const

/** Names a setting: its key in the table. */
export type SettingKey = keyof typeof SETTINGS

type ValueOf<S> = S extends Setting<infer T> ? T : never

/** The values of all settings. */
export type Settings = { readonly [K in SettingKey]: ValueOf<(typeof SETTINGS)[K]> }

/** Settings that every command has. */
export const GLOBAL_SETTINGS = [
  'log',
  'brokers',
  'tls',
  'tlsCa',
  'saslMechanism',
  'saslUsername',
  'saslPassword',
  'compression',
  'replicationFactor',
  'dataDir',
  'applicationId',
  'config',
  'logLevel',
  'json',
  'verbose',
] as const satisfies readonly SettingKey[]

/** All keys, in the order of the table. */
export const SETTING_KEYS = Object.keys(SETTINGS) as readonly SettingKey[]

/** The row of a key. */
export function settingOf(key: SettingKey): Setting<unknown> {
  return SETTINGS[key]
}

/** The flag, with its dashes: `--data-dir`; `--no-deduplicate` for what is on by default. */
export function flagOf(key: SettingKey): string {
  const { flag, defaultText, placeholder } = settingOf(key)
  const name = flag ?? key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
  return placeholder === undefined && defaultText === 'true' ? `--no-${name}` : `--${name}`
}

/** The environment variable: `MILLRACE_DATA_DIR`. */
export function variableOf(key: SettingKey): string {
  return `MILLRACE_${key.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`
}
