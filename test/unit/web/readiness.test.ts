import { describe, expect, it } from 'vitest'
import { ReadinessWatch } from '../../../src/web/readiness.ts'
import { FakeApp, taskThat } from '../../support/observed-app.ts'

function watched(): { app: FakeApp; watch: ReadinessWatch } {
  const app = new FakeApp()
  const watch = new ReadinessWatch(app)
  return { app, watch }
}

const [FIRST, SECOND] = [taskThat('0_0'), taskThat('0_1')]

describe('an instance', () => {
  it.each(['created', 'starting', 'stopping', 'stopped', 'failed'] as const)(
    'is not ready while the application is %s, whatever its tasks do',
    (state) => {
      const { app, watch } = watched()
      app.runs(FIRST)
      app.state = state
      expect(watch.readiness).toEqual({
        ready: false,
        code: 'APPLICATION_NOT_RUNNING',
        reason: `the application is ${state}`,
      })
    },
  )

  it('is not ready before the group has given out the tasks for the first time', () => {
    const { app, watch } = watched()
    app.state = 'running'
    expect(watch.readiness).toMatchObject({ ready: false, code: 'TASKS_NOT_ASSIGNED' })
  })

  it('is ready when all its tasks are running, and names them in order', () => {
    const { app, watch } = watched()
    app.runs(SECOND, FIRST)
    expect(watch.readiness).toEqual({ ready: true, tasks: ['0_0', '0_1'] })
  })

  it('is ready without tasks, once the group has said that there are none for it', () => {
    const { app, watch } = watched()
    app.runs()
    expect(watch.readiness).toEqual({ ready: true, tasks: [] })
  })

  it.each(['created', 'restoring', 'suspended', 'closed'] as const)(
    'is not ready while a task is %s',
    (state) => {
      const { app, watch } = watched()
      app.runs(FIRST, { ...SECOND, state })
      expect(watch.readiness).toEqual({
        ready: false,
        code: 'TASKS_NOT_RUNNING',
        reason: 'not running: 0_1',
      })
    },
  )

  it.each([
    { type: 'tasks-revoked', tasks: ['0_0'] },
    { type: 'tasks-lost', tasks: ['0_0'], reason: 'expelled' },
  ] as const)('is not ready between $type and the next assignment', (event) => {
    const { app, watch } = watched()
    app.runs(FIRST)
    app.tell(event)
    expect(watch.readiness).toMatchObject({ ready: false, code: 'TASKS_NOT_ASSIGNED' })
    app.runs(FIRST)
    expect(watch.readiness).toMatchObject({ ready: true })
  })

  it('is not ready in a rebalance of a group that has no tasks for it', () => {
    const { app, watch } = watched()
    app.runs()
    app.tell({ type: 'tasks-revoked', tasks: [] })
    expect(watch.readiness).toMatchObject({ ready: false })
  })

  it('is not ready while it starts its tasks again after a failure, and stays ready over a mere retry', () => {
    const { app, watch } = watched()
    app.runs(FIRST, SECOND)
    app.tell({ type: 'recovering', code: 'REGISTRY_UNAVAILABLE', message: 'no answer' })
    expect(watch.readiness).toMatchObject({ ready: true })
    app.progress = []
    expect(watch.readiness).toMatchObject({ code: 'TASKS_NOT_RUNNING', reason: 'not running: 0_0, 0_1' })
  })

  it('says how far a restore is, until the tasks are running', () => {
    const { app, watch } = watched()
    app.state = 'running'
    app.tell({ type: 'restore-progress', task: '0_1', store: 'counts', restored: 4_000n, total: 9_000n })
    expect(watch.readiness).toEqual({
      ready: false,
      code: 'TASKS_RESTORING',
      reason: 'restoring 0_1/counts: 4000 of 9000 offsets',
    })
    app.runs(FIRST)
    expect(watch.readiness).toMatchObject({ ready: true })
    app.tell({ type: 'tasks-revoked', tasks: ['0_0'] })
    expect(watch.readiness).toMatchObject({ code: 'TASKS_NOT_ASSIGNED' })
  })

  it('forgets a restore that was given up', () => {
    for (const event of [
      { type: 'tasks-revoked', tasks: [] },
      { type: 'tasks-lost', tasks: [], reason: 'expelled' },
      { type: 'recovering', code: 'LOG_UNAVAILABLE', message: 'no answer' },
    ] as const) {
      const { app, watch } = watched()
      app.state = 'running'
      app.tell({ type: 'restore-progress', task: '0_1', store: 'counts', restored: 1n, total: 2n }, event)
      expect(watch.readiness, event.type).toMatchObject({ code: 'TASKS_NOT_ASSIGNED' })
    }
  })
})
