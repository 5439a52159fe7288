/**
 * The metrics of one instance, as Prometheus reads them. Counts of tasks are taken from what is committed at the moment
 * of the question; only what happens to this process (commits' durations, recoveries) is collected in between.
 */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Clock } from '../clock.ts'
import type { Counts, EngineCount } from '../runtime/counters.ts'
import type { StreamsEvent } from '../runtime/events.ts'
import type { StandbyProgress } from '../runtime/standby-task.ts'
import type { TaskInputProgress, TaskProgress } from '../runtime/task-progress.ts'
import type { TaskState } from '../runtime/task-state.ts'
import { BoundedLookup } from './bounded-lookup.ts'
import { METRICS, type MetricRow, type OwnCount } from './metric-table.ts'
import type { ObservedApp } from './observed-app.ts'

/** Well below the ten seconds after which Prometheus gives up. */
const LOOKUP_WITHIN_MS = 2_000
const COMMIT_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

type LookupName = 'lag' | 'state_bytes'

export interface AppMetricsSpec {
  readonly clock: Clock
  /** Counts of the application's own stages that are shown too. */
  readonly ownCounts: readonly OwnCount[]
  /** What `/health/ready` says. */
  readonly isReady: () => boolean
}

/** Made before there is an application; then it has only the metrics of the process. */
export class AppMetrics {
  private readonly spec: AppMetricsSpec
  private readonly registry = new Registry()
  private readonly counters = new Map<MetricRow, Counter>()
  private readonly gauges = new Map<MetricRow, Gauge>()
  private readonly commitDuration: Histogram
  private app: ObservedApp['app'] | undefined
  private ends: BoundedLookup<ReadonlyMap<string, bigint>> | undefined
  private stateBytes: BoundedLookup<ReadonlyMap<string, number>> | undefined
  private readonly restores = new Map<string, StreamsEvent & { type: 'restore-progress' }>()
  private underWay: Promise<string> | undefined

  constructor(spec: AppMetricsSpec) {
    this.spec = spec
    const { registry } = this
    for (const row of [...Object.values<MetricRow>(METRICS), ...spec.ownCounts.map(({ metric }) => metric)]) {
      const options = { name: row.name, help: row.help, labelNames: [...row.labels], registers: [registry] }
      if (row.kind === 'counter') this.counters.set(row, new Counter(options))
      if (row.kind === 'gauge') this.gauges.set(row, new Gauge(options))
    }
    const { name, help } = METRICS.commitDuration
    this.commitDuration = new Histogram({ name, help, buckets: COMMIT_SECONDS, registers: [registry] })
    collectDefaultMetrics({ register: registry })
  }

  /** What `text` is. */
  get contentType(): string {
    return this.registry.contentType
  }

  /** Shows this application from now on; to be called once, before it runs. */
  observe({ app, endOffsets, stateBytes }: ObservedApp): void {
    this.app = app
    this.ends = this.lookup(async () => {
      const inputs = app.progress.flatMap((task) => task.inputs)
      const ends = inputs.length === 0 ? [] : await endOffsets(inputs)
      return new Map(inputs.map((input, index) => [nameOf(input), ends[index] ?? input.offset]))
    })
    this.stateBytes = this.lookup(stateBytes)
    app.events.subscribe((event) => this.take(event))
  }

  /** All metrics as of now. Questions at the same time get the same answer. */
  text(): Promise<string> {
    this.underWay ??= this.render().finally(() => (this.underWay = undefined))
    return this.underWay
  }

  private async render(): Promise<string> {
    const [ends, bytes] = await Promise.all([
      this.found('lag', this.ends),
      this.found('state_bytes', this.stateBytes),
    ])
    const tasks = this.app?.progress ?? []
    this.setCounts(tasks)
    this.setTasks(tasks, bytes)
    this.setInputs(tasks, ends)
    this.setRestores()
    this.setStandbys(this.app?.standbys ?? [])
    this.gauge(METRICS.ready).set(this.spec.isReady() ? 1 : 0)
    return this.registry.metrics()
  }

  private lookup<T>(look: () => Promise<T>): BoundedLookup<T> {
    return new BoundedLookup(this.spec.clock, LOOKUP_WITHIN_MS, look)
  }

  private async found<T>(name: LookupName, lookup: BoundedLookup<T> | undefined): Promise<T | undefined> {
    if (lookup === undefined) return undefined
    const found = await lookup.ask()
    if (found === undefined) this.counter(METRICS.failedLookups).inc({ lookup: name })
    return found
  }

  private setCounts(tasks: readonly TaskProgress[]): void {
    this.setCounter(METRICS.commits, tasks, ({ commitId }) => commitId)
    this.setCounter(METRICS.consumed, tasks, ({ counts }) => engineCount(counts, 'consumed'))
    this.setCounter(METRICS.partlyLate, tasks, ({ counts }) => engineCount(counts, 'partlyLate'))
    this.setCounter(METRICS.deadLetters, tasks, ({ counts }) => engineCount(counts, 'deadLetters'))
    this.setCounter(METRICS.skipped, tasks, ({ counts }) => engineCount(counts, 'skipped'))
    this.setCounter(METRICS.results, tasks, ({ counts }) => engineCount(counts, 'results'))
    for (const { count, metric } of this.spec.ownCounts) {
      this.setCounter(metric, tasks, ({ counts }) => counts[count] ?? 0)
    }
    const late = this.counter(METRICS.late)
    late.reset()
    for (const { task, counts } of tasks) {
      const [idle, flushed] = [engineCount(counts, 'lateIdle'), engineCount(counts, 'lateFlushed')]
      late.inc({ task, reason: 'watermark' }, engineCount(counts, 'late') - idle - flushed)
      late.inc({ task, reason: 'idle' }, idle)
      late.inc({ task, reason: 'flushed' }, flushed)
    }
  }

  /** Tasks that are elsewhere now are not shown: whoever has them counts on. */
  private setCounter(
    row: MetricRow,
    tasks: readonly TaskProgress[],
    total: (task: TaskProgress) => number,
  ): void {
    const counter = this.counter(row)
    counter.reset()
    for (const task of tasks) counter.inc({ task: task.task }, total(task))
  }

  private setTasks(tasks: readonly TaskProgress[], bytes: ReadonlyMap<string, number> | undefined): void {
    const open = this.emptied(METRICS.openWindows)
    const state = this.emptied(METRICS.stateBytes)
    const states = this.emptied(METRICS.tasks)
    for (const name of ['running', 'suspended'] satisfies TaskState[]) states.set({ state: name }, 0)
    for (const task of tasks) {
      states.inc({ state: task.state })
      open.set({ task: task.task }, task.openWindows)
      const size = bytes?.get(task.task)
      if (size !== undefined) state.set({ task: task.task }, size)
    }
  }

  private setInputs(tasks: readonly TaskProgress[], ends: ReadonlyMap<string, bigint> | undefined): void {
    const lag = this.emptied(METRICS.lag)
    const watermark = this.emptied(METRICS.watermark)
    const delay = this.emptied(METRICS.watermarkDelay)
    const idle = this.emptied(METRICS.idle)
    const nowMs = this.spec.clock.now()
    for (const { task, inputs } of tasks) {
      for (const input of inputs) {
        const { topic, partition, offset, watermarkMs } = input
        const labels = { task, topic, partition }
        const end = ends?.get(nameOf(input))
        // The end was asked for first, and work went on.
        if (end !== undefined) lag.set(labels, end > offset ? Number(end - offset) : 0)
        idle.set(labels, input.idle ? 1 : 0)
        if (watermarkMs === -Infinity) continue
        watermark.set(labels, watermarkMs / 1_000)
        delay.set(labels, (nowMs - watermarkMs) / 1_000)
      }
    }
  }

  private setRestores(): void {
    const done = this.emptied(METRICS.restored)
    const goal = this.emptied(METRICS.restoreGoal)
    for (const { task, store, restored, total } of this.restores.values()) {
      done.set({ task, store }, Number(restored))
      goal.set({ task, store }, Number(total))
    }
  }

  private setStandbys(copies: readonly StandbyProgress[]): void {
    const lag = this.emptied(METRICS.standbyLag)
    for (const { task, store, position, end } of copies) {
      if (end !== undefined) lag.set({ task, store }, Number(end - position))
    }
  }

  private take(event: StreamsEvent): void {
    switch (event.type) {
      case 'committed':
        this.commitDuration.observe(event.durationMs / 1_000)
        break
      case 'recovering':
        this.counter(METRICS.recoveries).inc({ code: event.code })
        break
      case 'restore-progress':
        this.restores.set(`${event.task}/${event.store}`, event)
        break
      case 'task-started':
        this.counter(METRICS.replayed).inc(event.replayed)
        break
      case 'tasks-assigned':
        for (const [name, { task }] of this.restores)
          if (!event.tasks.includes(task)) this.restores.delete(name)
        break
      default:
        break
    }
  }

  private counter(row: MetricRow): Counter {
    return this.counters.get(row)!
  }

  private gauge(row: MetricRow): Gauge {
    return this.gauges.get(row)!
  }

  private emptied(row: MetricRow): Gauge {
    const gauge = this.gauge(row)
    gauge.reset()
    return gauge
  }
}

function engineCount(counts: Counts, name: EngineCount): number {
  return counts[name] ?? 0
}

function nameOf({ topic, partition }: TaskInputProgress): string {
  return `${topic}/${partition}`
}
