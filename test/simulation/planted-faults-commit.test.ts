/** Positive controls of exactly once: state, checkpoints, restore, fencing, positions, undo. */
import { describe, expect, it } from 'vitest'
import type { Log } from '../../src/log/log.ts'
import { decodeCheckpoint, encodeCheckpoint } from '../../src/runtime/checkpoint.ts'
import type { CommitEntry } from '../../src/runtime/commit-entry.ts'
import { RecordCollector } from '../../src/runtime/record-collector.ts'
import { RunningTask } from '../../src/runtime/running-task.ts'
import { StoreTransaction } from '../../src/state/store-transaction.ts'
import type { ChangelogSink } from '../../src/state/store-entry.ts'
import {
  both,
  expectCaught,
  faultyBackends,
  faultyLog,
  faultyProducers,
  type Faults,
} from './planted-fault.ts'

/** What was taken in flight counts as committed, and goes to disk under the checkpoint of the commit before. */
function flushBeforeCommit(faults: Faults): void {
  let committed: ((transaction: StoreTransaction) => void) | undefined
  faults.replace<StoreTransaction, [], void>(StoreTransaction, 'committed', (original) => {
    committed = original
    return () => undefined
  })
  faults.replace<StoreTransaction, [ChangelogSink], void>(
    StoreTransaction,
    'prepare',
    (original) => (transaction, sink) => {
      original(transaction, sink)
      committed!(transaction)
    },
  )
  faults.replace<RunningTask, [], CommitEntry>(RunningTask, 'nextEntry', (original) => (running) => {
    const entry = original(running)
    void running.flush()
    return entry
  })
}

/** Every checkpoint says that one record more is contained: behind a commit's records there is its marker. */
const checkpointOffByOne = faultyBackends((backend) => ({
  write: (writes, bytes) => {
    const checkpoint = decodeCheckpoint(bytes)
    const changelogs = Object.entries(checkpoint.changelogs).map(([store, position]) => {
      const offset = String(BigInt(position.offset) + 2n)
      return [store, { ...position, offset }] as const
    })
    return backend.write(
      writes,
      encodeCheckpoint({ ...checkpoint, changelogs: Object.fromEntries(changelogs) }),
    )
  },
}))

/** The last stable offset of changelogs and commit logs where the high watermark was asked for. */
function stableForEnd(log: Log): Partial<Log> {
  return {
    offsets: (which, partitions) => {
      const ownTopics = partitions.every(({ topic }) => /-changelog$|-commits-/.test(topic))
      return log.offsets(which === 'end' && ownTopics ? 'stable' : which, partitions)
    },
  }
}

/** Transactions that the group knows nothing of. */
const withoutOffsets = faultyProducers(() => ({ addOffsets: () => Promise.resolve() }))

/** The former owner is not fenced by its transactional id. What is left has to do without. */
const withoutFence = faultyLog(() => ({ fenceProducer: () => Promise.resolve() }))

describe('the simulation notices that state', () => {
  it('is flushed before its commit', async () => {
    const { told } = await expectCaught({ seeds: [11, 1, 6], plant: flushBeforeCommit })
    expect(told).not.toMatch(/did not end/)
  }, 60_000)

  it('has a checkpoint that is off by one record', async () => {
    const { told } = await expectCaught({
      seeds: [21, 24, 8],
      cluster: { wrapDirectory: checkpointOffByOne },
    })
    expect(told).not.toMatch(/did not end/)
  }, 60_000)

  it('is restored to the last stable offset, and the commit log read to it', async () => {
    await expectCaught({
      seeds: [28, 92, 30],
      // Who is fenced has no outcome pending: this is about what was read too early.
      cluster: { wrapLog: both(withoutFence, faultyLog(stableForEnd)) },
      alsoWithout: { wrapLog: withoutFence },
    })
  }, 60_000)
})

describe('the simulation notices that a commit', () => {
  it('has no offsets, so that the group cannot refuse it of one whom nobody else knows of', async () => {
    await expectCaught({
      seeds: [33, 29, 35, 53],
      cluster: { wrapLog: withoutOffsets },
      // Its first start stands still, and its tasks are others' when it names itself as their owner.
      adjust: (plan) => ({
        ...plan,
        startsSlowly: true,
        phases: plan.phases.map((phase, number) =>
          number === 0 && phase.kind === 'live' ? { ...phase, kind: 'until-end' } : phase,
        ),
        chaos: {
          ...plan.chaos,
          instancesMax: 1,
          meanMs: 100_000,
          network: { delayMsMax: 3, lostRequests: 0, lostAnswers: 0 },
        },
      }),
    })
  }, 60_000)

  it('has no offsets, so that the group cannot refuse it of a former owner whom nobody fenced', async () => {
    await expectCaught({
      seeds: [71, 48],
      cluster: { wrapLog: both(withoutFence, withoutOffsets) },
      // The log has two fences; without the other one alone everything is as it should be.
      alsoWithout: { wrapLog: withoutFence },
    })
  }, 60_000)

  it('knows one offset only for a repartition partition in which several origins meet', async () => {
    await expectCaught({
      seeds: [17, 18, 14],
      plant: (faults) => {
        faults.replace<RunningTask, [number, CommitEntry['decisions']], CommitEntry>(
          RunningTask,
          'entryNow',
          (original) =>
            (running, ...args) => {
              const entry = original(running, ...args)
              const channels = entry.channels.map((channel) => ({ ...channel, takenThrough: 0 }))
              return { ...entry, channels }
            },
        )
      },
    })
  }, 60_000)
})

describe('the simulation notices that a failed record', () => {
  const keepsInstead = (transaction: { begin(): void }): void => transaction.begin()

  it('leaves behind what it wrote into stores', async () => {
    await expectCaught({
      seeds: [7, 6],
      plant: (faults) =>
        faults.replace<StoreTransaction, [], void>(StoreTransaction, 'rollback', () => keepsInstead),
    })
  }, 60_000)

  it('leaves behind what it sent', async () => {
    await expectCaught({
      seeds: [7, 6],
      plant: (faults) =>
        faults.replace<RecordCollector, [], void>(RecordCollector, 'rollback', () => keepsInstead),
    })
  }, 60_000)
})
