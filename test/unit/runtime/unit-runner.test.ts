import { describe, expect, it } from 'vitest'
import { AssertionError } from '../../../src/assert.ts'
import { FatalError, RecordError, RetriableError } from '../../../src/errors.ts'
import { Counters } from '../../../src/runtime/counters.ts'
import { RecordCollector } from '../../../src/runtime/record-collector.ts'
import type { DeadLetter } from '../../../src/runtime/dead-letter.ts'
import { Unit } from '../../../src/runtime/unit.ts'
import { UnitRunner, type FailingUnit, type UnitOutcome } from '../../../src/runtime/unit-runner.ts'
import { JournaledEntry, type EntryOwner } from '../../../src/state/store-entry.ts'
import { StoreTransaction } from '../../../src/state/store-transaction.ts'
import { SimulatedClock } from '../../../src/testing/simulated-clock.ts'
import type { ErrorPolicy } from '../../../src/topology/error-policy.ts'

const LETTER: DeadLetter = { timestampMs: 5, key: null, value: null, headers: [] }

/** A runner whose units write to a store, send a record and count, before they fail or not. */
class Rig {
  readonly clock = new SimulatedClock()
  readonly unit = new Unit()
  readonly transaction = new StoreTransaction()
  readonly collector = new RecordCollector(10_000)
  readonly counters = new Counters()
  readonly letters: { stage: string; letter: DeadLetter }[] = []
  readonly entry = new JournaledEntry({ undone: () => undefined } as unknown as EntryOwner)
  readonly asked: string[] = []
  readonly runner: UnitRunner

  constructor(policy: ErrorPolicy) {
    this.runner = new UnitRunner({
      unit: this.unit,
      transaction: this.transaction,
      collector: this.collector,
      counters: this.counters,
      clock: this.clock,
      policyOf: (stage) => {
        this.asked.push(stage)
        return policy
      },
      sendDeadLetter: (letter) => {
        this.letters.push({ stage: this.unit.failure!.stage, letter })
        this.collector.add('dlq', 0, 0, null, 'letter')
      },
    })
  }

  /** Works a unit that ends with `error`, or well where there is none. */
  work(value: string, error?: unknown, failing: Partial<FailingUnit> = {}): UnitOutcome {
    this.unit.failure = undefined
    this.runner.begin()
    this.transaction.write(this.entry, value, 5)
    this.collector.add('out', 0, 0, null, value)
    this.counters.increment('mine')
    if (error !== undefined) this.unit.failure = { stage: 'sums', error }
    return this.runner.end({ attempt: 1, deadLetter: () => LETTER, ...failing })
  }

  /** What is kept: the store's value, the topics of what is to be sent, the counts. */
  get kept(): unknown {
    const topics = this.collector
      .take()
      .flatMap(({ topic, records }) => Array(records.count).fill(topic) as string[])
    return [this.entry.value, topics, this.counters.snapshot()]
  }
}

const error = new RecordError('BAD', 'bad record')

describe('UnitRunner', () => {
  it('keeps everything of a unit in which no stage failed', () => {
    const rig = new Rig({})
    expect(rig.work('v')).toBe('worked')
    expect(rig.kept).toEqual(['v', ['out'], { mine: 1 }])
  })

  it('takes everything back of one that failed, and keeps the dead letter', () => {
    const rig = new Rig({ onError: 'dead-letter' })
    rig.work('before')
    expect(rig.work('failed', error)).toBe('dropped')
    expect(rig.kept).toEqual(['before', ['out', 'dlq'], { mine: 1, deadLetters: 1 }])
    expect(rig.letters).toEqual([{ stage: 'sums', letter: LETTER }])
    expect(rig.asked).toEqual(['sums'])
  })

  it('makes dead letters where the policy says nothing', () => {
    const rig = new Rig({})
    expect(rig.work('failed', error)).toBe('dropped')
    expect(rig.letters).toHaveLength(1)
  })

  it('takes everything back and counts, under the policy skip', () => {
    const rig = new Rig({ onError: 'skip' })
    expect(rig.work('failed', error)).toBe('dropped')
    expect(rig.kept).toEqual([undefined, [], { mine: 0, skipped: 1 }])
  })

  it('takes everything back and stops, under the policy fail', () => {
    const rig = new Rig({ onError: 'fail' })
    expect(() => rig.work('failed', error)).toThrow(FatalError)
    expect(() => rig.work('failed', error)).toThrow(
      expect.objectContaining({
        code: 'STAGE_FAILED',
        cause: error,
        message: expect.stringContaining('BAD: bad'),
      }),
    )
    expect(rig.kept).toEqual([undefined, [], { mine: 0 }])
  })

  it('does not undo a dead letter with the unit behind it', () => {
    const rig = new Rig({})
    rig.work('first', error)
    rig.work('second', error)
    expect(rig.kept).toEqual([undefined, ['dlq', 'dlq'], { mine: 0, deadLetters: 2 }])
  })

  it('keeps what is to stay done though the unit is dropped, and only then', () => {
    const rig = new Rig({ retry: { retries: 1, retryIf: () => true } })
    const whenDropped = () => rig.transaction.write(rig.entry, 'taken out', 6)
    expect(rig.work('v', error, { whenDropped })).toBe('retry')
    expect(rig.entry.value).toBeUndefined()
    expect(rig.work('v', error, { whenDropped, attempt: 2 })).toBe('dropped')
    expect(rig.entry.value).toBe('taken out')
    rig.work('next', error)
    expect(rig.entry.value).toBe('taken out')
  })

  it('lets a broken assumption through, whatever the policy says', () => {
    for (const onError of ['dead-letter', 'skip', 'fail'] as const) {
      const rig = new Rig({ onError, retry: { retries: 5, retryIf: () => true } })
      const broken = new AssertionError('it holds')
      expect(() => rig.work('v', broken)).toThrow(broken)
      expect(rig.kept).toEqual([undefined, [], { mine: 0 }])
    }
  })
})

describe('UnitRunner, trying again', () => {
  const passing = new RetriableError('AWAY', 'not there')

  it('waits longer each time, as told, then does what the policy says at last', () => {
    const rig = new Rig({ onError: 'skip', retry: { retries: 4, initialBackoffMs: 50, maxBackoffMs: 150 } })
    const waits = [1, 2, 3, 4].map((attempt) => {
      expect(rig.work('v', passing, { attempt })).toBe('retry')
      expect(rig.kept).toEqual([undefined, [], { mine: 0 }])
      return rig.runner.retryAtMs - rig.clock.monotonic()
    })
    expect(waits).toEqual([50, 100, 150, 150])
    expect(rig.work('v', passing, { attempt: 5 })).toBe('dropped')
    expect(rig.kept).toEqual([undefined, [], { mine: 0, skipped: 1 }])
  })

  it('counts the wait from now, by the time that never steps backward', async () => {
    const rig = new Rig({ retry: { retries: 1 } })
    await rig.clock.advance(1_000)
    rig.clock.stepWallClock(-500_000)
    rig.work('v', passing)
    expect(rig.runner.retryAtMs).toBe(1_100)
  })

  it('tries again what can pass only', () => {
    const rig = new Rig({ retry: { retries: 3 } })
    expect(rig.work('v', error)).toBe('dropped')
    expect(rig.work('v', passing)).toBe('retry')
    const picky = new Rig({ retry: { retries: 3, retryIf: (thrown) => thrown === error } })
    expect(picky.work('v', error)).toBe('retry')
    expect(picky.work('v', passing)).toBe('dropped')
  })

  it('does not try again where nothing is said of it', () => {
    expect(new Rig({}).work('v', passing)).toBe('dropped')
  })

  it('sends nothing for a try that is repeated', () => {
    const rig = new Rig({ retry: { retries: 1 } })
    rig.work('v', passing)
    expect(rig.letters).toEqual([])
    expect(rig.work('v', undefined, { attempt: 2 })).toBe('worked')
    expect(rig.kept).toEqual(['v', ['out'], { mine: 1 }])
  })
})
