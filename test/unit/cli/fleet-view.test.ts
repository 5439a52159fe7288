import { describe, expect, it } from 'vitest'
import { FleetView } from '../../../src/cli/fleet-view.ts'
import type { AppState } from '../../../src/runtime/app-state.ts'
import type { StreamsEvent } from '../../../src/runtime/events.ts'
import type { TaskProgress } from '../../../src/runtime/task-progress.ts'
import { taskThat } from '../../support/observed-app.ts'

function watched(count: number) {
  const view = new FleetView(count)
  const events: StreamsEvent[] = []
  view.events.subscribe((event) => events.push(event))
  const tell = (worker: number, event: StreamsEvent, ...progress: readonly TaskProgress[]): void =>
    view.event(worker, event, { progress, standbys: [] })
  const goTo = (state: AppState, ...workers: readonly number[]): void => {
    for (const worker of workers) tell(worker, { type: 'state', state })
  }
  const assign = (worker: number, ...tasks: readonly string[]): void => {
    tell(worker, { type: 'tasks-assigned', tasks }, ...tasks.map((task) => taskThat(task)))
  }
  return { view, events, tell, goTo, assign }
}

function stand(view: FleetView, worker: number, ...progress: readonly TaskProgress[]): void {
  view.standing(worker, { progress, standbys: [] })
}

describe('several workers as one application', () => {
  it('are where the last of them is, and say so once', () => {
    const { view, events, goTo } = watched(2)
    expect(view.state).toBe('created')
    goTo('starting', 0, 1)
    goTo('running', 0)
    expect(view.state).toBe('starting')
    goTo('running', 1)
    expect(view.state).toBe('running')
    // The first has come to the end of its run; the other works on.
    goTo('stopping', 0)
    goTo('stopped', 0)
    expect(view.state).toBe('running')
    goTo('stopping', 1)
    goTo('stopped', 1)
    expect(events).toEqual(
      (['starting', 'running', 'stopping', 'stopped'] as const).map((state) => ({ type: 'state', state })),
    )
  })

  it('have failed as soon as one has, told by itself or gone without a word', () => {
    const one = watched(2)
    one.goTo('running', 0, 1)
    one.goTo('failed', 1)
    expect(one.view.state).toBe('failed')
    const other = watched(2)
    other.goTo('running', 0, 1)
    other.view.ended(0, true)
    expect(other.view.state).toBe('failed')
  })

  it('are given no tasks any more once one has failed and the others stop', () => {
    const { events, goTo, assign } = watched(2)
    goTo('running', 0, 1)
    goTo('failed', 0)
    goTo('stopping', 1)
    events.splice(0)
    assign(1, '0_0')
    expect(events).toEqual([])
  })

  it('have their tasks when each has been told which are its own, and not between rebalances', () => {
    const { events, assign, tell } = watched(2)
    assign(0, '0_1')
    expect(events).toEqual([])
    assign(1, '0_0')
    expect(events.splice(0)).toEqual([{ type: 'tasks-assigned', tasks: ['0_0', '0_1'] }])
    tell(0, { type: 'tasks-revoked', tasks: ['0_1'] })
    tell(1, { type: 'tasks-lost', tasks: ['0_0'], reason: 'expelled' })
    assign(1)
    expect(events.splice(0).map(({ type }) => type)).toEqual(['tasks-revoked', 'tasks-lost'])
    assign(0, '0_1', '0_0')
    expect(events).toEqual([{ type: 'tasks-assigned', tasks: ['0_0', '0_1'] }])
  })

  it('do not wait for one that has ended', () => {
    const { view, events, assign, tell } = watched(2)
    assign(0, '0_0')
    assign(1, '0_1')
    tell(1, { type: 'tasks-revoked', tasks: ['0_1'] })
    assign(1, '0_0', '0_1')
    events.splice(0)
    tell(0, { type: 'tasks-revoked', tasks: [] })
    view.ended(0, false)
    expect(events).toContainEqual({ type: 'tasks-assigned', tasks: ['0_0', '0_1'] })
  })

  it('have finished a bounded run when all have', () => {
    const { events, tell } = watched(2)
    tell(1, { type: 'run-finished', run: 3 })
    expect(events).toEqual([])
    tell(0, { type: 'run-finished', run: 3 })
    expect(events.splice(0)).toEqual([{ type: 'run-finished', run: 3 }])
    // One that had been left open; then their own.
    tell(0, { type: 'run-finished', run: 4 })
    expect(events).toEqual([])
    tell(1, { type: 'run-finished', run: 4 })
    expect(events).toEqual([{ type: 'run-finished', run: 4 }])
  })

  it('show every task once, as who runs it says', () => {
    const { view } = watched(3)
    stand(view, 0, taskThat('0_1'), taskThat('0_0', { state: 'suspended', commitId: 9 }))
    stand(view, 1, taskThat('0_0', { commitId: 9 }))
    stand(view, 2, taskThat('0_1', { commitId: 4 }))
    expect(view.progress).toEqual([taskThat('0_0', { commitId: 9 }), taskThat('0_1', { commitId: 4 })])
    view.ended(1, false)
    expect(view.progress.map(({ task, state }) => [task, state])).toEqual([
      ['0_0', 'suspended'],
      ['0_1', 'running'],
    ])
  })

  it('pass on what is of one task or one commit', () => {
    const { events, tell } = watched(2)
    const committed = { type: 'committed', tasks: 1, records: 5, durationMs: 2 } as const
    tell(0, committed)
    tell(1, committed)
    expect(events).toEqual([committed, committed])
  })
})
