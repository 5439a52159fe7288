import { describe, expect, it } from 'vitest'
import { SimulatedClock } from '../../../src/testing/index.ts'
import { AppMetrics } from '../../../src/web/app-metrics.ts'
import { METRICS, ownCount } from '../../../src/web/metric-table.ts'
import type { ObservedApp } from '../../../src/web/observed-app.ts'
import { FakeApp, inputThat, taskThat } from '../../support/observed-app.ts'
import { parsePrometheus, samplesOf } from '../../support/prometheus-text.ts'

const NOW_MS = 1_704_067_200_000

function observed(lookups: Partial<Omit<ObservedApp, 'app'>> = {}) {
  const clock = new SimulatedClock(NOW_MS)
  const app = new FakeApp()
  const ready = { now: true }
  const ownCounts = [ownCount('seen', 'records_seen_total', 'Seen before.')]
  const metrics = new AppMetrics({ clock, ownCounts, isReady: () => ready.now })
  metrics.observe({
    app,
    endOffsets: (partitions) => Promise.resolve(partitions.map(() => 0n)),
    stateBytes: () => Promise.resolve(new Map()),
    ...lookups,
  })
  const samples = async (metric: { readonly name: string }) => samplesOf(await metrics.text(), metric.name)
  return { clock, app, ready, metrics, samples }
}

describe('the metrics', () => {
  it('are those of the table and of the process, before there is an application too', async () => {
    const metrics = new AppMetrics({ clock: new SimulatedClock(), ownCounts: [], isReady: () => false })
    expect(metrics.contentType).toBe('text/plain; version=0.0.4; charset=utf-8')
    const text = await metrics.text()
    const families = parsePrometheus(text)
    for (const { name, kind, help } of Object.values(METRICS)) {
      expect(families.get(name), name).toMatchObject({ type: kind, help })
    }
    expect(samplesOf(text, 'millrace_ready')).toEqual({ '': 0 })
    expect(samplesOf(text, 'process_cpu_seconds_total')['']).toBeGreaterThan(0)
    expect(samplesOf(text, 'process_resident_memory_bytes')['']).toBeGreaterThan(1_000_000)
    expect(samplesOf(text, 'millrace_metrics_lookup_failures_total')).toEqual({})
  })

  it('show of each task what it has committed', async () => {
    const { app, metrics } = observed()
    const counts = {
      consumed: 100,
      late: 9,
      lateIdle: 3,
      lateFlushed: 1,
      partlyLate: 4,
      deadLetters: 2,
      skipped: 5,
      results: 17,
      seen: 6,
    }
    app.runs(taskThat('0_0', { counts, commitId: 12, openWindows: 8 }), taskThat('0_1'))
    const text = await metrics.text()
    const of = (name: string) => samplesOf(text, `millrace_${name}`)
    expect(of('records_consumed_total')).toEqual({ '{task="0_0"}': 100, '{task="0_1"}': 0 })
    expect(of('records_late_total')).toEqual({
      '{reason="watermark",task="0_0"}': 5,
      '{reason="idle",task="0_0"}': 3,
      '{reason="flushed",task="0_0"}': 1,
      '{reason="watermark",task="0_1"}': 0,
      '{reason="idle",task="0_1"}': 0,
      '{reason="flushed",task="0_1"}': 0,
    })
    expect(of('records_partly_late_total')).toEqual({ '{task="0_0"}': 4, '{task="0_1"}': 0 })
    expect(of('dead_letters_total')).toEqual({ '{task="0_0"}': 2, '{task="0_1"}': 0 })
    expect(of('records_skipped_total')).toEqual({ '{task="0_0"}': 5, '{task="0_1"}': 0 })
    expect(of('results_total')).toEqual({ '{task="0_0"}': 17, '{task="0_1"}': 0 })
    expect(of('records_seen_total')).toEqual({ '{task="0_0"}': 6, '{task="0_1"}': 0 })
    expect(of('commits_total')).toEqual({ '{task="0_0"}': 12, '{task="0_1"}': 0 })
    expect(of('open_windows')).toEqual({ '{task="0_0"}': 8, '{task="0_1"}': 0 })
  })

  it('follow tasks: the same total twice is not added up, and a task that went is no longer shown', async () => {
    const { app, samples } = observed()
    app.runs(taskThat('0_0', { counts: { consumed: 10 } }), taskThat('0_1', { counts: { consumed: 20 } }))
    await samples(METRICS.consumed)
    expect(await samples(METRICS.consumed)).toEqual({ '{task="0_0"}': 10, '{task="0_1"}': 20 })
    app.runs(taskThat('0_1', { counts: { consumed: 25 } }))
    expect(await samples(METRICS.consumed)).toEqual({ '{task="0_1"}': 25 })
    expect(await samples(METRICS.late)).not.toHaveProperty('{reason="idle",task="0_0"}')
  })

  it('count tasks by state, also where there are none', async () => {
    const { app, samples } = observed()
    expect(await samples(METRICS.tasks)).toEqual({ '{state="running"}': 0, '{state="suspended"}': 0 })
    app.runs(taskThat('0_0'), taskThat('0_1'), taskThat('0_2', { state: 'suspended' }))
    expect(await samples(METRICS.tasks)).toEqual({ '{state="running"}': 2, '{state="suspended"}': 1 })
  })

  it('say whether the instance is ready', async () => {
    const { ready, samples } = observed()
    expect(await samples(METRICS.ready)).toEqual({ '': 1 })
    ready.now = false
    expect(await samples(METRICS.ready)).toEqual({ '': 0 })
  })

  it('show size of state where it is known', async () => {
    const { app, samples } = observed({ stateBytes: () => Promise.resolve(new Map([['0_0', 4_096]])) })
    app.runs(taskThat('0_0'), taskThat('0_1'))
    expect(await samples(METRICS.stateBytes)).toEqual({ '{task="0_0"}': 4_096 })
  })
})

describe('an input', () => {
  const labels = '{partition="0",task="0_0",topic="readings"}'

  it('has a lag, a watermark in seconds, its delay, and is idle or not', async () => {
    const { app, metrics } = observed({ endOffsets: () => Promise.resolve([120n, 7n]) })
    const first = inputThat({ offset: 100n, watermarkMs: NOW_MS - 2_500 })
    const second = inputThat({ partition: 1, offset: 7n, watermarkMs: NOW_MS + 500, idle: true })
    app.runs(taskThat('0_0', { inputs: [first, second] }))
    const text = await metrics.text()
    const other = labels.replace('0', '1')
    const of = (name: string) => samplesOf(text, `millrace_${name}`)
    expect(of('input_lag_offsets')).toEqual({ [labels]: 20, [other]: 0 })
    expect(of('input_watermark_timestamp_seconds')).toEqual({
      [labels]: 1_704_067_197.5,
      [other]: 1_704_067_200.5,
    })
    expect(of('input_watermark_delay_seconds')).toEqual({ [labels]: 2.5, [other]: -0.5 })
    expect(of('input_idle')).toEqual({ [labels]: 0, [other]: 1 })
  })

  it('has no watermark before its first record', async () => {
    const { app, samples } = observed()
    app.runs(taskThat('0_0', { inputs: [inputThat()] }))
    expect(await samples(METRICS.watermark)).toEqual({})
    expect(await samples(METRICS.watermarkDelay)).toEqual({})
    expect(await samples(METRICS.idle)).toEqual({ [labels]: 0 })
  })

  it('has no negative lag when work goes on while the end is looked up', async () => {
    const { app, samples } = observed({
      endOffsets: () => {
        app.progress = [taskThat('0_0', { inputs: [inputThat({ offset: 30n })] })]
        return Promise.resolve([25n])
      },
    })
    app.runs(taskThat('0_0', { inputs: [inputThat({ offset: 20n })] }))
    expect(await samples(METRICS.lag)).toEqual({ [labels]: 0 })
  })

  it('has no lag while its end cannot be found, which is counted; all else is shown', async () => {
    const { app, clock, metrics } = observed({ endOffsets: () => new Promise(() => undefined) })
    app.runs(taskThat('0_0', { counts: { consumed: 3 }, inputs: [inputThat()] }))
    for (const times of [1, 2]) {
      const answer = metrics.text()
      await clock.advance(2_000)
      const text = await answer
      expect(samplesOf(text, METRICS.lag.name)).toEqual({})
      expect(samplesOf(text, METRICS.consumed.name)).toEqual({ '{task="0_0"}': 3 })
      expect(samplesOf(text, METRICS.failedLookups.name)).toEqual({ '{lookup="lag"}': times })
    }
  })
})

describe('what happens to the process', () => {
  it('is counted: commits by duration, recoveries by code', async () => {
    const { app, metrics } = observed()
    for (const durationMs of [3, 5, 40, 20_000]) {
      app.tell({ type: 'committed', tasks: 1, records: 1, durationMs })
    }
    for (const code of ['LOG_UNAVAILABLE', 'PRODUCER_FENCED', 'LOG_UNAVAILABLE']) {
      app.tell({ type: 'recovering', code, message: 'again' })
    }
    const text = await metrics.text()
    expect(samplesOf(text, METRICS.commitDuration.name)).toMatchObject({
      '_bucket{le="0.005"}': 2,
      '_bucket{le="0.05"}': 3,
      '_bucket{le="10"}': 3,
      '_bucket{le="+Inf"}': 4,
      _count: 4,
      _sum: expect.closeTo(20.048, 9) as number,
    })
    expect(samplesOf(text, METRICS.recoveries.name)).toEqual({
      '{code="LOG_UNAVAILABLE"}': 2,
      '{code="PRODUCER_FENCED"}': 1,
    })
  })

  it('shows restores as they go, until the task belongs to another instance', async () => {
    const { app, metrics } = observed()
    const progress = { type: 'restore-progress', task: '0_0', store: 'counts', total: 9_000n } as const
    app.tell({ ...progress, restored: 4_000n }, { ...progress, task: '0_1', restored: 9_000n })
    app.tell({ ...progress, restored: 8_000n })
    app.tell({ type: 'task-started', task: '0_1', replayed: 8_765, wipedBecause: undefined, commitId: 1 })
    const during = await metrics.text()
    expect(samplesOf(during, METRICS.restored.name)).toEqual({
      '{store="counts",task="0_0"}': 8_000,
      '{store="counts",task="0_1"}': 9_000,
    })
    expect(samplesOf(during, METRICS.restoreGoal.name)).toEqual({
      '{store="counts",task="0_0"}': 9_000,
      '{store="counts",task="0_1"}': 9_000,
    })
    expect(samplesOf(during, METRICS.replayed.name)).toEqual({ '': 8_765 })
    app.runs(taskThat('0_1'))
    const after = await metrics.text()
    expect(samplesOf(after, METRICS.restored.name)).toEqual({ '{store="counts",task="0_1"}': 9_000 })
    expect(samplesOf(after, METRICS.restoreGoal.name)).toEqual({ '{store="counts",task="0_1"}': 9_000 })
  })
})

describe('questions at the same time', () => {
  it('are answered by one look', async () => {
    let looks = 0
    const { metrics } = observed({
      stateBytes: () => {
        looks++
        return Promise.resolve(new Map())
      },
    })
    const [first, second] = await Promise.all([metrics.text(), metrics.text()])
    expect([first === second, looks]).toEqual([true, 1])
    await metrics.text()
    expect(looks).toBe(2)
  })
})
