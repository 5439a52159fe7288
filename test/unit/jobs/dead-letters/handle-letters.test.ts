/** Plans and carries them out on a log in memory, with the faults that a real one has. */
import { describe, expect, it } from 'vitest'
import { Pace } from '../../../../src/cli/pace.ts'
import { systemClock, type Clock } from '../../../../src/clock.ts'
import { codeOf, RetriableError, UnknownOutcomeError } from '../../../../src/errors.ts'
import { readAudit } from '../../../../src/jobs/audit.ts'
import { handleLetters, type HandlingOptions } from '../../../../src/jobs/dead-letters/handle-letters.ts'
import { handledTopic, readMarks } from '../../../../src/jobs/dead-letters/handled-marks.ts'
import { handlingGroup } from '../../../../src/jobs/dead-letters/handling-session.ts'
import { planHandling, type HandlingSpec } from '../../../../src/jobs/dead-letters/plan-handling.ts'
import { describeLetterTopic } from '../../../../src/jobs/dead-letters/read-letters.ts'
import type { Log, LogProducer } from '../../../../src/log/log.ts'
import { DEAD_LETTER, REPLAY } from '../../../../src/runtime/header-names.ts'
import {
  failureHeaders,
  handlingOf,
  header,
  newLogs,
  REPLAY_ALL,
  writeRecords,
} from '../../../support/letters.ts'
import { readTopic, type ReadRecord } from '../../../support/read-topic.ts'

/** A log with `readings` in 3 partitions and letters of them in 2; the values count up. */
async function logWithLetters(counts: readonly number[]): Promise<() => Log> {
  const connect = newLogs()
  const log = connect()
  await log.createTopics([
    { name: 'readings', partitions: 3 },
    { name: 'readings.dlq', partitions: counts.length },
  ])
  await addLetters(log, counts)
  return connect
}

async function addLetters(log: Log, counts: readonly number[], attempt = 1): Promise<void> {
  const letters = counts.map((count, partition) =>
    Array.from({ length: count }, (_, index) => ({
      timestampMs: 1_000 + index,
      key: `k${index % 5}`,
      value: `${partition}:${index}:${attempt}`,
      headers: [
        header('unit', 'K'),
        ...failureHeaders({
          [DEAD_LETTER.partition]: String((partition + index) % 3),
          [DEAD_LETTER.code]: index % 2 === 0 ? 'EVEN' : 'ODD',
          [DEAD_LETTER.attempt]: String(attempt),
        }),
      ],
    })),
  )
  await writeRecords(log, 'readings.dlq', letters)
}

const run = async (spec: HandlingSpec, options?: HandlingOptions) =>
  handleLetters(spec, await planHandling(spec), options)
const valuesIn = async (log: Log, topic: string): Promise<(string | null)[]> =>
  (await readTopic(log, topic)).flat().map(({ value }) => value)
const allOf = (counts: readonly number[]): string[] =>
  counts
    .flatMap((count, partition) => Array.from({ length: count }, (_, index) => `${partition}:${index}:1`))
    .sort()

describe('a replay', () => {
  it('puts every letter back as it came, once, in the order of its partition', async () => {
    const log = (await logWithLetters([1_300, 900]))()
    const outcome = await run(handlingOf(log))
    expect(outcome).toMatchObject({ counts: { replayed: 2_200 }, finished: true })
    const back = await readTopic(log, 'readings')
    expect(
      back
        .flat()
        .map(({ value }) => value)
        .sort(),
    ).toEqual(allOf([1_300, 900]))
    const first = back[1]![0] as ReadRecord
    expect(first).toMatchObject({ key: 'k1', value: '0:1:1', timestampMs: 1_001 })
    expect(Object.fromEntries(first.headers)).toEqual({
      unit: 'K',
      [REPLAY.id]: expect.stringMatching(/^[0-9a-f-]{36}$/),
      [REPLAY.attempts]: '1',
      [REPLAY.deadLetter]: 'readings.dlq/0@1',
    })
    for (const records of back) {
      const ofFirst = records.flatMap(({ value }) =>
        value?.startsWith('0:') ? [Number(value.split(':')[1])] : [],
      )
      expect(ofFirst).toEqual([...ofFirst].sort((a, b) => a - b))
      expect(ofFirst.every((index) => index % 3 === back.indexOf(records))).toBe(true)
    }
  })

  it('twice does nothing more, takes what came since, and what is handled only with again', async () => {
    const log = (await logWithLetters([4, 3]))()
    await run(handlingOf(log))
    const { tally } = await planHandling(handlingOf(log))
    expect([tally.toHandle, tally.handled]).toEqual([0, 7])
    await addLetters(log, [1, 0], 2)
    expect((await run(handlingOf(log))).counts.replayed).toBe(1)
    expect(await valuesIn(log, 'readings')).toHaveLength(8)
    const again = handlingOf(log, { request: { ...REPLAY_ALL, again: true, filter: { positions: ['1@0'] } } })
    expect((await run(again)).counts.replayed).toBe(1)
    expect((await valuesIn(log, 'readings')).filter((value) => value === '1:0:1')).toHaveLength(2)
  })

  it('leaves what the filter passes over, and the position of the group stays in front of it', async () => {
    const log = (await logWithLetters([4, 2]))()
    const odd = handlingOf(log, { request: { ...REPLAY_ALL, filter: { codes: ['ODD'] } } })
    const { tally } = await run(odd)
    expect([tally.toHandle, tally.notMeant]).toEqual([3, 3])
    const places = [0, 1].map((partition) => ({ topic: 'readings.dlq', partition }))
    const positions = (): Promise<readonly (bigint | null)[]> =>
      log.committedOffsets(handlingGroup('sensors'), places)
    expect(await positions()).toEqual([0n, 0n])
    expect((await run(handlingOf(log))).counts.replayed).toBe(3)
    expect((await valuesIn(log, 'readings')).sort()).toEqual(allOf([4, 2]))
    expect(await positions()).toEqual(await log.offsets('stable', places))
  })

  it('parks what was tried too often, with all its headers, and puts the rest back', async () => {
    const log = (await logWithLetters([2, 0]))()
    await addLetters(log, [1, 1], 3)
    const outcome = await run(handlingOf(log, { request: { ...REPLAY_ALL, maxAttempts: 3 } }))
    expect(outcome.counts).toEqual({ replayed: 2, parked: 2, discarded: 0 })
    const parked = await readTopic(log, 'readings.dlq.parked')
    expect(parked.map((records) => records.map(({ value }) => value))).toEqual([['0:0:3'], ['1:0:3']])
    expect(Object.fromEntries(parked[0]![0]!.headers)).toMatchObject({
      [DEAD_LETTER.attempt]: '3',
      [REPLAY.deadLetter]: expect.stringMatching(/^readings\.dlq\/0@\d+$/),
    })
    // Parked letters are dead letters of their topic.
    const fromThere = handlingOf(log, { letterTopic: 'readings.dlq.parked' })
    expect((await run(fromThere)).counts.replayed).toBe(2)
  })

  it('does not put back what comes back while it runs', async () => {
    const log = (await logWithLetters([3, 0]))()
    const spec = handlingOf(log)
    const plan = await planHandling(spec)
    await addLetters(log, [2, 0], 2)
    expect((await handleLetters(spec, plan)).counts.replayed).toBe(3)
    const { tally } = await planHandling(spec)
    expect([tally.toHandle, tally.handled]).toEqual([2, 3])
  })

  it('that was stopped goes on within its own bounds, as the same operation', async () => {
    const log = (await logWithLetters([2_500, 0]))()
    const stop = new AbortController()
    const stopped = await run(handlingOf(log, { signal: stop.signal }), { onProgress: () => stop.abort() })
    expect(stopped).toMatchObject({ finished: false, counts: { replayed: 1_000 } })
    await addLetters(log, [10, 0], 2)
    const spec = handlingOf(log)
    const plan = await planHandling(spec)
    expect([plan.unfinished?.counts.replayed, plan.tally.toHandle]).toEqual([1_000, 1_500])
    const outcome = await handleLetters(spec, plan)
    expect(outcome).toMatchObject({ finished: true, counts: { replayed: 2_500 } })
    expect((await valuesIn(log, 'readings')).sort()).toEqual(allOf([2_500, 0]))
    const audit = await readAudit(log, 'sensors')
    expect(audit.map(({ result, counts }) => [result, counts['replayed']])).toEqual([
      ['begun', 0],
      ['interrupted', 1_000],
      ['begun', 1_000],
      ['ok', 2_500],
    ])
    expect(new Set(audit.map(({ operation, planHash }) => `${operation} ${planHash}`)).size).toBe(1)
    expect((await planHandling(spec)).tally.toHandle).toBe(10)
  })

  it('keeps its own bounds only for the same request: another one is another run', async () => {
    const log = (await logWithLetters([2_500, 0]))()
    const stop = new AbortController()
    await run(handlingOf(log, { signal: stop.signal }), { onProgress: () => stop.abort() })
    const other = handlingOf(log, { request: { ...REPLAY_ALL, filter: { codes: ['ODD', 'EVEN'] } } })
    const plan = await planHandling(other)
    expect([plan.unfinished, plan.tally.toHandle]).toEqual([undefined, 1_500])
  })

  it.each([
    ['before it was sent', 'before'],
    ['after it was committed, without anybody knowing', 'after'],
  ] as const)(
    'repeats nothing and loses nothing when a commit fails %s',
    async (_what, when) => {
      const connect = await logWithLetters([2_500, 700])
      const log = connect()
      let commits = 0
      const failing = withProducer(log, (producer) => ({
        async commit() {
          const fails = ++commits % 2 === 1
          if (fails && when === 'before') throw new RetriableError('NOT_NOW', 'not now')
          await producer.commit()
          if (fails) throw new UnknownOutcomeError('NOBODY_KNOWS', 'nobody knows')
        },
      }))
      const retries: string[] = []
      const outcome = await run(handlingOf(failing), { onRetry: (reason) => retries.push(reason) })
      expect(outcome).toMatchObject({ finished: true, counts: { replayed: 3_200 } })
      expect(retries.length).toBeGreaterThan(1)
      expect((await valuesIn(log, 'readings')).sort()).toEqual(allOf([2_500, 700]))
      const ends = (await readAudit(log, 'sensors')).filter(({ result }) => result === 'ok')
      expect(ends.map(({ counts }) => counts['replayed'])).toEqual([3_200])
    },
    30_000,
  )

  it('that another one takes over fails, and the two together put everything back once', async () => {
    const connect = await logWithLetters([2_500, 0])
    const [first, second] = [connect(), connect()]
    const spec = handlingOf(first)
    let other: Promise<unknown> | undefined
    const options = { onProgress: () => void (other ??= run(handlingOf(second))) }
    const outcome = await handleLetters(spec, await planHandling(spec), {
      onProgress: options.onProgress,
      // Slow enough for the other to come between two transactions.
      newRateLimit: () => ({ due: () => (other === undefined ? 1_000 : 0.2), waitMs: () => 1 }),
    }).catch((error: unknown) => codeOf(error, ''))
    expect(outcome).toBe('WORK_TAKEN_OVER')
    await other
    expect((await valuesIn(second, 'readings')).sort()).toEqual(allOf([2_500, 0]))
  }, 30_000)

  it.each([7, 500, 20_000])('keeps a rate of %i a second within a tenth', async (perSecond) => {
    const log = (await logWithLetters([1_200, 300]))()
    const clock = eagerClock()
    const spec = handlingOf(log, { clock })
    const plan = await planHandling(spec)
    const seen: { ms: number; handled: number }[] = []
    await handleLetters(spec, plan, {
      newRateLimit: () => new Pace(clock, perSecond),
      onProgress: (handled) => seen.push({ ms: clock.monotonic(), handled }),
    })
    const [first, last] = [seen[0]!, seen.at(-1)!]
    expect([first.handled, last.handled]).toEqual([1, 1_500])
    const tookMs = last.ms - first.ms
    const dueMs = (1_499 / perSecond) * 1_000
    // Transactions are 100 ms apart: as much the last letters may wait for theirs.
    expect(tookMs).toBeGreaterThanOrEqual(dueMs * 0.9)
    expect(tookMs).toBeLessThanOrEqual(dueMs * 1.1 + 100)
    const ahead = seen.filter(({ ms, handled }) => handled > 1 + (perSecond * (ms - first.ms)) / 1_000)
    expect(ahead).toEqual([])
  })

  it('tells why letters cannot be put back, and leaves them open', async () => {
    const log = (await logWithLetters([1, 0]))()
    await writeRecords(log, 'readings.dlq', [
      [{ headers: [] }, { headers: failureHeaders({ [DEAD_LETTER.topic]: 'readings.dlq' }) }],
    ])
    const { tally, counts } = await run(handlingOf(log))
    expect([counts.replayed, [...tally.refused].sort()]).toEqual([
      1,
      [
        ['foreign', 1],
        ['loop', 1],
      ],
    ])
    expect(
      (await run(handlingOf(log, { request: { ...REPLAY_ALL, action: 'discard' } }))).counts.discarded,
    ).toBe(2)
    expect((await planHandling(handlingOf(log))).tally.handled).toBe(3)
  })
})

describe('marks', () => {
  it('of a topic that was deleted mean nothing for a later one of the same name', async () => {
    const log = (await logWithLetters([2, 0]))()
    await run(handlingOf(log))
    await log.deleteTopics(['readings.dlq'])
    await log.createTopics([{ name: 'readings.dlq', partitions: 2 }])
    await addLetters(log, [2, 0])
    expect((await planHandling(handlingOf(log))).tally.toHandle).toBe(2)
    expect((await run(handlingOf(log))).counts.replayed).toBe(2)
  })

  it.each([
    ['that are no JSON', '0@0', 'nonsense'],
    ['of a later format', '0@0', '{"formatVersion":2}'],
    ['of nothing', 'somewhere', '{"formatVersion":1}'],
  ])('%s stop everything: to pass them over could put a letter back twice', async (_what, key, value) => {
    const log = (await logWithLetters([1, 0]))()
    await log.createTopics([{ name: handledTopic('readings.dlq'), partitions: 2 }])
    await writeRecords(log, handledTopic('readings.dlq'), [[{ key, value }]])
    const topic = await describeLetterTopic(log, 'readings.dlq')
    await expect(readMarks(log, topic, 'stable')).rejects.toMatchObject({ code: 'HANDLED_MARKS_UNREADABLE' })
  })
})

/** A clock on which time passes by waiting only, and at once. */
function eagerClock(): Clock {
  let nowMs = 1_700_000_000_000
  return {
    now: () => Math.floor(nowMs),
    monotonic: () => nowMs,
    schedule(delayMs, callback) {
      nowMs += delayMs
      const timer = systemClock.schedule(0, callback)
      return { cancel: () => timer.cancel() }
    },
    yieldNow: () => systemClock.yieldNow(),
  }
}

/** The log with some methods of its producers replaced. */
function withProducer(log: Log, replaced: (producer: LogProducer) => Partial<LogProducer>): Log {
  return new Proxy(log, {
    get(target, name) {
      if (name === 'producer') {
        return async (...args: Parameters<Log['producer']>) => {
          const producer = await target.producer(...args)
          const own = replaced(producer)
          return new Proxy(producer, {
            get: (inner, member) => bound(own, member) ?? bound(inner, member),
          })
        }
      }
      return bound(target, name)
    },
  })
}

function bound(object: object, name: PropertyKey): unknown {
  const member: unknown = Reflect.get(object, name)
  return typeof member === 'function' ? (member as (...args: unknown[]) => unknown).bind(object) : member
}
