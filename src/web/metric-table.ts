/** All metrics of an application, in one table; their registry and the documentation are made from it. */

/** A metric as Prometheus has it. */
export interface MetricRow {
  readonly name: string
  readonly kind: 'counter' | 'gauge' | 'histogram'
  readonly labels: readonly string[]
  /** One sentence or two, with the border cases. */
  readonly help: string
}

/**
 * Shown of a task where it runs. Counted over its whole life and exact, since the counts are committed with the work.
 */
function perTask(name: string, help: string, ...labels: readonly string[]): MetricRow {
  return { name: `millrace_${name}`, kind: 'counter', labels: ['task', ...labels], help }
}

function gauge(name: string, labels: readonly string[], help: string): MetricRow {
  return { name: `millrace_${name}`, kind: 'gauge', labels, help }
}

const INPUT = ['task', 'topic', 'partition'] as const
const STORE = ['task', 'store'] as const

/** The table. */
export const METRICS = {
  consumed: perTask('records_consumed_total', 'Records worked and committed.'),
  late: perTask(
    'records_late_total',
    'Records too late for all of their windows; reason: watermark, idle or flushed.',
    'reason',
  ),
  partlyLate: perTask(
    'records_partly_late_total',
    'Records too late for some of their windows, counted in others.',
  ),
  deadLetters: perTask('dead_letters_total', 'Records and results that became dead letters.'),
  skipped: perTask('records_skipped_total', 'Records dropped under the error policy skip.'),
  results: perTask('results_total', 'Results of windows that closed.'),
  commits: perTask('commits_total', 'Commits of the task.'),
  commitDuration: {
    name: 'millrace_commit_duration_seconds',
    kind: 'histogram',
    labels: [],
    help: 'Time of a commit, of all tasks of this instance in one transaction, until it is visible.',
  },
  lag: gauge(
    'input_lag_offsets',
    INPUT,
    'Offsets between the next one to work and the end of the partition; some of them may hold no record.',
  ),
  watermark: gauge(
    'input_watermark_timestamp_seconds',
    INPUT,
    'Event time the input has reached, in seconds since 1970; absent before its first record.',
  ),
  watermarkDelay: gauge(
    'input_watermark_delay_seconds',
    INPUT,
    'Wall clock less the watermark; absent before the first record.',
  ),
  idle: gauge('input_idle', INPUT, '1 while the input is left out because it is silent, else 0.'),
  openWindows: gauge('open_windows', ['task'], 'Windows that hold anything and are not closed.'),
  stateBytes: gauge('state_bytes', ['task'], 'Local state on disk.'),
  restored: gauge(
    'restore_done_offsets',
    STORE,
    'Changelog offsets that the last restore of a store has passed.',
  ),
  restoreGoal: gauge(
    'restore_goal_offsets',
    STORE,
    'Changelog offsets that the last restore of a store had to pass.',
  ),
  standbyLag: gauge(
    'standby_lag_offsets',
    STORE,
    'Changelog offsets that a standby copy of this instance is behind; absent until the log has been asked.',
  ),
  replayed: {
    name: 'millrace_restored_records_total',
    kind: 'counter',
    labels: [],
    help: 'Changelog records that local state lacked when tasks were started by this process.',
  },
  recoveries: {
    name: 'millrace_recoveries_total',
    kind: 'counter',
    labels: ['code'],
    help: 'Failures that this process has mended by itself, by error code.',
  },
  tasks: gauge('tasks', ['state'], 'Tasks of this instance by state.'),
  ready: gauge('ready', [], '1 when /health/ready answers with 200, else 0.'),
  failedLookups: {
    name: 'millrace_metrics_lookup_failures_total',
    kind: 'counter',
    labels: ['lookup'],
    help: 'Times that lag or state_bytes is missing from an answer because it failed or took too long to look up.',
  },
} as const satisfies Readonly<Record<string, MetricRow>>

/** A count that stages of the application keep, to be shown as a counter per task. */
export interface OwnCount {
  /** Its name among the counts of a task. */
  readonly count: string
  readonly metric: MetricRow
}

/** Makes one; `name` without the prefix, ending in `_total`. */
export function ownCount(count: string, name: string, help: string): OwnCount {
  return { count, metric: perTask(name, help) }
}
