import { describe, expect, it } from 'vitest'
import { AbortableError } from '../../../src/errors.ts'
import type { GroupMember, LogProducer } from '../../../src/log/log.ts'
import type { Application } from '../../../src/runtime/application.ts'
import { CommitScheduler } from '../../../src/runtime/commit-scheduler.ts'
import { parseConfig } from '../../../src/runtime/config.ts'
import { EventBus } from '../../../src/runtime/events.ts'
import type { RunningTask } from '../../../src/runtime/running-task.ts'
import { Wake } from '../../../src/runtime/wake.ts'
import { SimulatedClock } from '../../../src/testing/simulated-clock.ts'

const MEMBER: GroupMember = { groupId: 'app', memberId: 'm', generation: 1 }

/** A scheduler, a task with something to commit that is not ready for it, and a producer whose transactions fail. */
function setUp(commitRecords = 10) {
  const clock = new SimulatedClock()
  const config = parseConfig({ applicationId: 'app', commitIntervalMs: 100, commitRecords })
  const application = { clock, config, events: new EventBus() } as unknown as Application
  const task = { hasChanges: true, mayCommit: false, worked: 0, parts: { collector: { pendingBytes: 0 } } }
  const running = { task, isFlushDue: () => false } as unknown as RunningTask
  const transactions: ((error?: Error) => void)[] = []
  const producer = {
    begin: () => undefined,
    send: () =>
      new Promise((resolve, reject) => {
        transactions.push((error) => (error === undefined ? resolve([]) : reject(error)))
      }),
    addOffsets: () => Promise.resolve(),
    commit: () => Promise.resolve(),
  } as unknown as LogProducer
  const commits = new CommitScheduler(application, new Wake(clock))
  const context = { tasks: [running], producer, member: MEMBER }
  return { clock, commits, context, task, tasks: [running], transactions }
}

describe('CommitScheduler', () => {
  it('begins nothing behind a commit that has failed, until somebody was told', async () => {
    const { clock, commits, context, transactions } = setUp()
    await clock.advance(100)
    commits.commitIfDue(context)
    expect([transactions.length, commits.isIdle]).toEqual([1, false])
    const failure = new AbortableError('OUT_OF_ORDER_SEQUENCE', 'too late')
    transactions[0]!(failure)
    await clock.advance(1_000)
    commits.commitIfDue(context)
    expect([transactions.length, commits.isIdle]).toEqual([1, false])
    expect(commits.takeFailure()).toBe(failure)
    expect(commits.isIdle).toBe(true)
    commits.commitIfDue(context)
    expect(transactions.length).toBe(2)
  })

  it('is full when another commit could be filled behind the one that is on its way', async () => {
    const { clock, commits, context, task, tasks, transactions } = setUp(10)
    task.worked = 10
    expect(commits.isFull(tasks)).toBe(false)
    commits.commitIfDue(context)
    task.worked = 19
    expect([transactions.length, commits.isFull(tasks)]).toEqual([1, false])
    task.worked = 20
    expect(commits.isFull(tasks)).toBe(true)
    transactions[0]!()
    await clock.runUntilIdle()
    expect([commits.isIdle, commits.isFull(tasks)]).toEqual([true, false])
  })
})
