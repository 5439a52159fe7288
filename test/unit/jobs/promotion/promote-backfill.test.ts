import { beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../../src/clock.ts'
import { readBackfill, type BackfillPlace } from '../../../../src/jobs/backfill/backfill-store.ts'
import { promoteBackfill, rollbackBackfill } from '../../../../src/jobs/promotion/promote-backfill.ts'
import { reconcileBackfill } from '../../../../src/jobs/reconciliation/reconcile-backfill.ts'
import { createInMemoryLog } from '../../../../src/log/embedded/index.ts'
import type { Log, LogProducer } from '../../../../src/log/log.ts'
import { readTopic, type ReadRecord } from '../../../support/read-topic.ts'
import { ranBackfill, testFormat, writeResults, type Written } from '../../../support/result-topics.ts'

const ID = 'b1'
const TIME = { timestampMs: 1_000 }
const options = { clock: systemClock }
const reconciling = { ...options, format: testFormat(), tolerances: new Map<string, number>() }

const PUBLISHED: readonly Written[] = [
  { partition: 0, key: 'same@1', value: { mean: 1 }, ...TIME },
  { partition: 0, key: 'changed@1', value: { mean: 1 }, ...TIME, headers: { 'closed-by': 'silence' } },
  { partition: 1, key: 'extra@1', value: Buffer.from([0xff, 0xfe]), ...TIME, headers: { a: '1', b: '2' } },
]
const STAGED: readonly Written[] = [
  { partition: 0, key: 'same@1', value: { mean: 1 }, ...TIME },
  { partition: 0, key: 'changed@1', value: { mean: 2 }, ...TIME },
  { partition: 1, key: 'missing@1', value: { mean: 3 }, ...TIME, headers: { kept: 'yes' } },
]

let log: Log
let place: BackfillPlace

beforeEach(async () => {
  log = createInMemoryLog()
  place = { log, applicationId: 'app' }
  const staged = await ranBackfill(place, ID, 2)
  await writeResults(log, 'aggregates', PUBLISHED)
  await writeResults(log, staged, STAGED)
})

/** What consumers of the topic see of each key: value, timestamp and headers, but for who published it. */
async function newest(): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {}
  for (const partition of await readTopic(log, 'aggregates')) {
    for (const record of partition) found[record.key!] = told(record)
  }
  return found
}

function told({ value, timestampMs, headers }: ReadRecord): unknown {
  return value === null ? null : [value, timestampMs, headers]
}

async function records(): Promise<number> {
  return (await readTopic(log, 'aggregates')).flat().length
}

async function stateOf(): Promise<string> {
  return (await readBackfill(place, ID)).state
}

const OWN = (round: number, planHash: string): [string, string][] => [
  ['__millrace.backfill.id', ID],
  ['__millrace.backfill.plan-hash', planHash],
  ['__millrace.backfill.round', String(round)],
]

describe('a promotion', () => {
  it('publishes the differences only, and its rollback restores what was there byte for byte', async () => {
    const { record } = await reconcileBackfill(place, ID, reconciling)
    expect(record.reconciliation).toMatchObject({
      match: 1,
      changed: 1,
      missing: 1,
      extra: 1,
      violations: [],
    })
    const before = await newest()
    const outcome = await promoteBackfill(place, ID, options)
    expect(outcome).toMatchObject({ written: 3, done: 0, transactions: 1, left: 0, interrupted: false })
    expect(outcome.round).toMatchObject({ number: 1, planned: 3, written: 3, tombstones: 1 })
    const own = OWN(1, record.planHash)
    expect(await newest()).toEqual({
      'same@1': ['{"mean":1}', 1_000, []],
      'changed@1': ['{"mean":2}', 1_000, own],
      'missing@1': ['{"mean":3}', 1_000, [['kept', 'yes'], ...own]],
      'extra@1': null,
    })
    expect((await reconcileBackfill(place, ID, reconciling)).findings.counts).toMatchObject({
      match: 3,
      changed: 0,
      missing: 0,
      extra: 0,
    })

    const rolledBack = await rollbackBackfill(place, ID, options)
    expect(rolledBack.round).toMatchObject({ number: 2, kind: 'rollback', written: 3, tombstones: 1 })
    expect(await newest()).toEqual({ ...before, 'missing@1': null })
    const bytes = (await readTopic(log, 'aggregates')).flat().filter(({ key }) => key === 'extra@1')
    expect(bytes.at(-1)).toEqual({ ...bytes[0], offset: bytes.at(-1)!.offset })

    const again = await promoteBackfill(place, ID, options)
    expect(again.round).toMatchObject({ number: 3, written: 3 })
    expect(await newest()).toMatchObject({ 'changed@1': ['{"mean":2}', 1_000, OWN(3, record.planHash)] })
    expect((await rollbackBackfill(place, ID, options)).round.number).toBe(4)
    expect(await newest()).toEqual({ ...before, 'missing@1': null })
  })

  it('is refused when it is not its turn, and nothing is written', async () => {
    const count = await records()
    const refused = async (work: Promise<unknown>, code: string): Promise<void> => {
      await expect(work).rejects.toMatchObject({ code })
      expect(await records()).toBe(count + written)
    }
    let written = 0
    await refused(promoteBackfill(place, ID, options), 'BACKFILL_NOT_RECONCILED')
    await refused(rollbackBackfill(place, ID, options), 'BACKFILL_NOT_PROMOTED')
    await refused(promoteBackfill(place, 'unknown', options), 'BACKFILL_UNKNOWN')
    await refused(promoteBackfill(place, '../b1', options), 'CONFIG_INVALID')
    await reconcileBackfill(place, ID, reconciling)
    await refused(rollbackBackfill(place, ID, options), 'BACKFILL_NOT_PROMOTED')
    await refused(promoteBackfill(place, ID, { ...options, maxChanged: 0.74 }), 'TOO_MANY_CHANGES')
    expect(await stateOf()).toBe('reconciled')
    await promoteBackfill(place, ID, { ...options, maxChanged: 0.75 })
    written = 3
    await refused(promoteBackfill(place, ID, options), 'BACKFILL_PROMOTED')
    await rollbackBackfill(place, ID, options)
    written = 6
    await refused(rollbackBackfill(place, ID, options), 'BACKFILL_ROLLED_BACK')
  })

  it('is refused while the staged results are not sound, unless that is wanted', async () => {
    const format = testFormat({ name: 'mean < 3', holds: ({ fields }) => (fields['mean'] as number) < 3 })
    const { violations } = await reconcileBackfill(place, ID, { ...reconciling, format })
    expect(violations).toEqual(['mean < 3: violated by 1 of 3 results (missing@1)'])
    await expect(promoteBackfill(place, ID, options)).rejects.toMatchObject({ code: 'INVARIANTS_VIOLATED' })
    expect((await promoteBackfill(place, ID, { ...options, despiteViolations: true })).written).toBe(3)
  })

  it('is seen whole or not at all by readers of committed records', async () => {
    await reconcileBackfill(place, ID, reconciling)
    const seen: [string, number][] = []
    const watched = interceptedLog(log, async (call) => {
      const own = (await readTopic(log, 'aggregates')).flat().filter(({ headers }) => {
        return headers.some(([name]) => name === '__millrace.backfill.id')
      })
      seen.push([call, own.length])
    })
    await promoteBackfill({ ...place, log: watched }, ID, options)
    // The first and the last commit are those of the backfill's record.
    expect(seen.filter(([, count]) => count === 0).map(([call]) => call)).toEqual([
      ...['begin', 'send', 'sent', 'commit', 'committed'],
      ...['begin', 'send', 'sent', 'addOffsets', 'commit'],
    ])
    expect(new Set(seen.map(([, count]) => count))).toEqual(new Set([0, 3]))
  })

  it('takes smaller transactions where others write between its records', async () => {
    const large = 'x'.repeat(500_000)
    const results = ['u@1', 'v@1', 'w@1'].map((key): Written => ({ key, value: { large }, ...TIME }))
    for (const result of results) await writeResults(log, `aggregates.staging.${ID}`, [result])
    await reconcileBackfill(place, ID, reconciling)
    let live = 0
    const busy = new Proxy(log, {
      get(target, name) {
        if (name !== 'producer') {
          const value = Reflect.get(target, name) as unknown
          return typeof value === 'function' ? (value.bind(target) as unknown) : value
        }
        return async (spec: Parameters<Log['producer']>[0]) => {
          const producer = await target.producer(spec)
          const send = producer.send.bind(producer)
          // Each batch of its own, and a record of somebody else behind it.
          producer.send = async (batches) => {
            const offsets: bigint[] = []
            for (const batch of batches) {
              offsets.push(...(await send([batch])))
              if (batch.topic !== 'aggregates') continue
              await writeResults(log, 'aggregates', [{ key: `live${(live += 1)}`, value: {}, ...TIME }])
            }
            return offsets
          }
          return producer
        }
      },
    })
    const outcome = await promoteBackfill({ ...place, log: busy }, ID, options)
    expect(outcome).toMatchObject({ written: 6, left: 0 })
    expect(outcome.transactions).toBeGreaterThan(1)
    expect(live).toBeGreaterThan(10)
    expect(await newest()).toMatchObject({ 'w@1': [JSON.stringify({ large }), 1_000, expect.anything()] })
  })

  it('as a canary does the first ones, and the next call the rest in the same round', async () => {
    await reconcileBackfill(place, ID, reconciling)
    const canary = await promoteBackfill(place, ID, { ...options, canary: 2 })
    expect(canary).toMatchObject({
      written: 2,
      left: 1,
      round: { number: 1, planned: 3, finishedAtMs: null },
    })
    expect(await newest()).toMatchObject({
      'changed@1': ['{"mean":2}', 1_000, expect.anything()],
      'extra@1': null,
    })
    expect(await stateOf()).toBe('promoting')
    expect(await promoteBackfill(place, ID, { ...options, canary: 2 })).toMatchObject({ written: 0, left: 1 })
    expect(await promoteBackfill(place, ID, options)).toMatchObject({
      written: 1,
      left: 0,
      round: { number: 1, written: 3 },
    })
    expect(await stateOf()).toBe('promoted')
  })

  it('can be rolled back after a canary: only what was promoted is restored', async () => {
    await reconcileBackfill(place, ID, reconciling)
    const before = await newest()
    await promoteBackfill(place, ID, { ...options, canary: 1 })
    expect(await rollbackBackfill(place, ID, options)).toMatchObject({ written: 1, left: 0 })
    expect(await newest()).toEqual(before)
    expect(await records()).toBe(PUBLISHED.length + 2)
  })
})

describe('the fence', () => {
  it('refuses a promotion over a key that live has written meanwhile, and nothing is written', async () => {
    await reconcileBackfill(place, ID, reconciling)
    await writeResults(log, 'aggregates', [
      { partition: 1, key: 'missing@1', value: { mean: 9 }, ...TIME },
      { partition: 0, key: 'other@1', value: { mean: 9 }, ...TIME },
    ])
    const count = await records()
    await expect(promoteBackfill(place, ID, options)).rejects.toMatchObject({
      code: 'KEYS_CHANGED',
      message: expect.stringContaining('missing@1') as string,
    })
    expect([await records(), await stateOf()]).toEqual([count, 'reconciled'])
    await reconcileBackfill(place, ID, reconciling)
    expect((await promoteBackfill(place, ID, options)).written).toBe(4)
  })

  it('lets pass what was written again as it was', async () => {
    await reconcileBackfill(place, ID, reconciling)
    await writeResults(log, 'aggregates', PUBLISHED)
    expect((await promoteBackfill(place, ID, options)).written).toBe(3)
  })

  it('refuses a rollback of a key that live has written since, and nothing is written', async () => {
    await reconcileBackfill(place, ID, reconciling)
    await promoteBackfill(place, ID, options)
    await writeResults(log, 'aggregates', [{ partition: 0, key: 'changed@1', value: { mean: 2 }, ...TIME }])
    const count = await records()
    await expect(rollbackBackfill(place, ID, options)).rejects.toMatchObject({ code: 'KEYS_CHANGED' })
    expect([await records(), await stateOf()]).toEqual([count, 'promoted'])
  })

  it('sees a transaction that was open when it looked and is committed before its own', async () => {
    await reconcileBackfill(place, ID, reconciling)
    const live = await log.producer({ transactionalId: 'live' })
    const racing = interceptedLog(log, async (call, times) => {
      // Behind the check of all keys, before the records of the promotion have their offsets.
      if (call !== 'begin' || times !== 2) return
      live.begin()
      await sendOne(live, 'changed@1')
      // Committed only when the promotion waits for it.
      systemClock.schedule(30, () => void live.commit())
    })
    const work = promoteBackfill({ ...place, log: racing }, ID, options)
    await expect(work).rejects.toMatchObject({ code: 'KEYS_CHANGED' })
    expect(await newest()).toMatchObject({
      'changed@1': ['{"mean":7}', 1_000, []],
      'extra@1': expect.anything() as unknown,
    })
  })
})

describe('a promotion that is stopped', () => {
  const STEPS = ['begin', 'send', 'sent', 'addOffsets', 'commit', 'committed'] as const

  it.each(STEPS)('at "%s" goes on without writing anything twice', async (step) => {
    await reconcileBackfill(place, ID, reconciling)
    const limits = { differences: 1, bytes: 1_000_000 }
    for (const occurrence of [1, 2, 3, 4, 5]) {
      const dying = interceptedLog(log, (call, times) => {
        if (call === step && times === occurrence) throw new Error('killed')
        return Promise.resolve()
      })
      const work = promoteBackfill({ ...place, log: dying }, ID, { ...options, limits })
      await work.catch((error: unknown) => expect(String(error)).toMatch('killed'))
      if ((await stateOf()) === 'promoted') break
    }
    if ((await stateOf()) !== 'promoted') await promoteBackfill(place, ID, { ...options, limits })
    expect(await records()).toBe(PUBLISHED.length + 3)
    const { rounds } = await readBackfill(place, ID)
    expect(rounds).toMatchObject([{ number: 1, planned: 3, written: 3, tombstones: 1 }])
    await rollbackBackfill(place, ID, { ...options, limits })
    expect(await records()).toBe(PUBLISHED.length + 6)
  })

  it('is fenced by the next one at once', async () => {
    await reconcileBackfill(place, ID, reconciling)
    const racing = interceptedLog(log, async (call, times) => {
      if (call === 'commit' && times === 2) await promoteBackfill(place, ID, options)
    })
    await expect(promoteBackfill({ ...place, log: racing }, ID, options)).rejects.toThrow()
    expect(await records()).toBe(PUBLISHED.length + 3)
    expect(await stateOf()).toBe('promoted')
  })

  it('knows by the keys what is done where the positions are forgotten', async () => {
    await reconcileBackfill(place, ID, reconciling)
    await promoteBackfill(place, ID, { ...options, canary: 2, limits: { differences: 1, bytes: 1 } })
    await log.deleteGroup('app.backfill.b1.promote.1')
    expect(await promoteBackfill(place, ID, options)).toMatchObject({ written: 1, left: 0 })
    expect(await records()).toBe(PUBLISHED.length + 3)
  })
})

async function sendOne(producer: LogProducer, key: string): Promise<void> {
  const { RecordBatchBuilder } = await import('../../../../src/log/record-batch-builder.ts')
  const batch = new RecordBatchBuilder()
  batch.append(1_000, key, '{"mean":7}')
  await producer.send([{ topic: 'aggregates', partition: 0, records: batch }])
}

type Call = 'begin' | 'send' | 'sent' | 'addOffsets' | 'commit' | 'committed'

/** The log with something done at each call of its producers; counted over all of them. */
function interceptedLog(inner: Log, on: (call: Call, times: number) => Promise<void>): Log {
  const times = new Map<Call, number>()
  const told = (call: Call): Promise<void> => {
    times.set(call, (times.get(call) ?? 0) + 1)
    return on(call, times.get(call)!)
  }
  const wrapped = (producer: LogProducer): LogProducer =>
    Object.assign(Object.create(producer) as LogProducer, {
      transactionalId: producer.transactionalId,
      begin: () => producer.begin(),
      send: async (...args: Parameters<LogProducer['send']>) => {
        await told('begin')
        await told('send')
        const offsets = await producer.send(...args)
        await told('sent')
        return offsets
      },
      addOffsets: async (...args: Parameters<LogProducer['addOffsets']>) => {
        await told('addOffsets')
        await producer.addOffsets(...args)
      },
      commit: async () => {
        await told('commit')
        await producer.commit()
        await told('committed')
      },
      abort: () => producer.abort(),
      close: () => producer.close(),
    })
  return new Proxy(inner, {
    get(target, name) {
      if (name === 'producer') {
        return async (spec: Parameters<Log['producer']>[0]) => wrapped(await target.producer(spec))
      }
      const value = Reflect.get(target, name) as unknown
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}
