import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/clock.ts'
import { OpsEndpoint } from '../../../src/web/ops-endpoint.ts'
import { FakeApp, taskThat } from '../../support/observed-app.ts'
import { parsePrometheus, samplesOf } from '../../support/prometheus-text.ts'

const open: OpsEndpoint[] = []

afterEach(async () => {
  await Promise.all(open.splice(0).map((endpoint) => endpoint.close()))
})

async function opened() {
  const endpoint = await OpsEndpoint.open({
    host: '127.0.0.1',
    port: 0,
    clock: systemClock,
    ownCounts: [],
    onFailure: (error) => {
      throw error
    },
  })
  open.push(endpoint)
  const ask = async (path: string): Promise<[number, unknown]> => {
    const response = await fetch(`${endpoint.origin}${path}`)
    return [response.status, await response.json()]
  }
  const metrics = async (): Promise<string> => (await fetch(`${endpoint.origin}/metrics`)).text()
  return { endpoint, ask, metrics }
}

function observe(endpoint: OpsEndpoint, app: FakeApp): void {
  endpoint.observe({
    app,
    endOffsets: (partitions) => Promise.resolve(partitions.map(() => 0n)),
    stateBytes: () => Promise.resolve(new Map()),
  })
}

describe('the ops endpoint', () => {
  it('is alive and not ready before there is an application', async () => {
    const { ask, metrics } = await opened()
    expect(await ask('/health/live')).toEqual([200, { live: true }])
    expect(await ask('/health/ready')).toEqual([
      503,
      { ready: false, code: 'APPLICATION_NOT_RUNNING', reason: 'the application has not been started' },
    ])
    expect(samplesOf(await metrics(), 'millrace_ready')).toEqual({ '': 0 })
  })

  it('is ready when the tasks run, and says why it is not', async () => {
    const { endpoint, ask, metrics } = await opened()
    const app = new FakeApp()
    observe(endpoint, app)
    app.state = 'running'
    expect(await ask('/health/ready')).toMatchObject([503, { ready: false, code: 'TASKS_NOT_ASSIGNED' }])
    app.runs(taskThat('0_0', { counts: { consumed: 3 } }))
    expect(await ask('/health/ready')).toEqual([200, { ready: true, tasks: ['0_0'] }])
    const text = await metrics()
    expect(samplesOf(text, 'millrace_ready')).toEqual({ '': 1 })
    expect(samplesOf(text, 'millrace_records_consumed_total')).toEqual({ '{task="0_0"}': 3 })
  })

  it('is alive through everything but a failure', async () => {
    const { endpoint, ask } = await opened()
    const app = new FakeApp()
    observe(endpoint, app)
    for (const state of ['created', 'starting', 'running', 'stopping', 'stopped'] as const) {
      app.state = state
      expect(await ask('/health/live'), state).toEqual([200, { live: true }])
    }
    app.state = 'failed'
    expect(await ask('/health/live')).toEqual([503, { live: false }])
  })

  it('gives metrics that Prometheus reads', async () => {
    const { endpoint } = await opened()
    const response = await fetch(`${endpoint.origin}/metrics`)
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
    expect(parsePrometheus(await response.text()).size).toBeGreaterThan(20)
  })

  it('is gone when it is closed', async () => {
    const { endpoint, ask } = await opened()
    await endpoint.close()
    await expect(ask('/health/live')).rejects.toThrow()
  })
})
