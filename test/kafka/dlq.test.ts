/** Dead letters on a real broker: put back once, over a process that stops in the middle and one that takes over. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock, systemRandom } from '../../src/clock.ts'
import { codeOf } from '../../src/errors.ts'
import { readAudit } from '../../src/jobs/audit.ts'
import { handleLetters } from '../../src/jobs/dead-letters/handle-letters.ts'
import { handlingGroup } from '../../src/jobs/dead-letters/handling-session.ts'
import { planHandling, type HandlingSpec } from '../../src/jobs/dead-letters/plan-handling.ts'
import { openKafkaLog } from '../../src/log/kafka/index.ts'
import type { Log } from '../../src/log/log.ts'
import { DEAD_LETTER, REPLAY } from '../../src/runtime/header-names.ts'
import { kafkaForTests } from '../support/kafka/kafka-for-tests.ts'
import { failureHeaders, handlingOf, header, REPLAY_ALL, writeRecords } from '../support/letters.ts'
import { linesOf, millrace } from '../support/millrace.ts'
import { readTopic } from '../support/read-topic.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const kafka = await kafkaForTests()
const LETTERS = 3_000

describe.skipIf(kafka === null)('dead letters on Kafka', { timeout: 90_000 }, () => {
  const run = systemRandom.uuid().slice(0, 8)
  const [topic, application] = [`plant-${run}`, `app-${run}`]
  const letters = `${topic}.dlq`
  const folder = temporaryFolder()
  const flags = ['--log', 'kafka', '--brokers', kafka?.brokers ?? '', '--application-id', application]
  let logs: Log[] = []

  const connect = async (): Promise<Log> => {
    const log = await openKafkaLog({ brokers: kafka!.brokers.split(',') })
    logs.push(log)
    return log
  }
  const specOn = (log: Log, overrides: Partial<HandlingSpec> = {}): HandlingSpec =>
    handlingOf(log, {
      clock: systemClock,
      random: systemRandom,
      applicationId: application,
      letterTopic: letters,
      ...overrides,
    })
  const call = (...args: string[]) => millrace([...args, ...flags], { cwd: folder.path })
  const write = async (log: Log, count: number, attempt: number): Promise<void> => {
    const records = [0, 1].map((partition) =>
      Array.from({ length: count / 2 }, (_, index) => ({
        timestampMs: 1_704_067_200_000 + index,
        key: `k${index % 9}`,
        value: `${partition}:${index}:${attempt}`,
        headers: [
          header('unit', 'K'),
          ...failureHeaders({
            [DEAD_LETTER.topic]: topic,
            [DEAD_LETTER.partition]: String(index % 3),
            [DEAD_LETTER.attempt]: String(attempt),
          }),
        ],
      })),
    )
    await writeRecords(log, letters, records)
  }

  beforeAll(async () => {
    const log = await connect()
    await log.createTopics([
      { name: topic, partitions: 3 },
      { name: letters, partitions: 2 },
    ])
    await write(log, LETTERS, 1)
  }, 90_000)
  afterAll(async () => {
    await Promise.all(logs.map((log) => log.close()))
    logs = []
  })

  it('are counted and shown', async () => {
    const stats = await call('dlq', 'stats', '--topic', letters, '--json')
    expect(JSON.parse(stats.stdout)).toMatchObject({
      total: LETTERS,
      open: LETTERS,
      byCode: { BROKEN: LETTERS },
    })
    const shown = await call('dlq', 'show', '1@7', '--topic', letters)
    expect(shown.stdout).toContain('1:7:1')
  })

  it('go back once: one process is stopped in the middle, one is overtaken, one ends it', async () => {
    const stop = new AbortController()
    const first = specOn(await connect(), { signal: stop.signal })
    const stopped = await handleLetters(first, await planHandling(first), { onProgress: () => stop.abort() })
    expect(stopped).toMatchObject({ finished: false, counts: { replayed: 1_000 } })

    // What has come back by now is not of this run.
    const log = await connect()
    await write(log, 10, 3)
    const second = specOn(log)
    let third: Promise<{ stdout: string; stderr: string }> | undefined
    const overtaken = await handleLetters(second, await planHandling(second), {
      onProgress: () => void (third ??= call('dlq', 'replay', '--topic', letters, '--yes', '--json')),
      // Slower than the other one takes to start.
      newRateLimit: () => ({ due: () => (third === undefined ? 1 : 0.05), waitMs: () => 10 }),
    }).catch((error: unknown) => codeOf(error, ''))
    expect(overtaken).toBe('WORK_TAKEN_OVER')
    const ended = await third!
    expect(JSON.parse(ended.stdout), ended.stderr).toMatchObject({
      goesOn: true,
      replayed: LETTERS,
      finished: true,
    })

    const back = await readTopic(log, topic)
    const values = back.flat().map(({ value }) => value)
    expect([values.length, new Set(values).size]).toEqual([LETTERS, LETTERS])
    for (const [partition, records] of back.entries()) {
      expect(records.every(({ value }) => Number(value?.split(':')[1]) % 3 === partition)).toBe(true)
    }
    const { timestampMs, headers } = back[0]![0]!
    expect([timestampMs, Object.fromEntries(headers)]).toEqual([
      1_704_067_200_000,
      {
        unit: 'K',
        [REPLAY.id]: expect.any(String) as string,
        [REPLAY.attempts]: '1',
        [REPLAY.deadLetter]: `${letters}/0@0`,
      },
    ])
  })

  it('are parked, discarded, marked by the position of the group, and told by the audit', async () => {
    const log = await connect()
    const parked = await call(
      'dlq',
      'replay',
      '--topic',
      letters,
      '--max-attempts',
      '3',
      '--yes',
      '--json',
      '--limit',
      '9',
    )
    expect(parked.code, 'an option of another command').toBe(2)
    await call('dlq', 'discard', '0@0', '--topic', letters, '--yes')
    const done = await call('dlq', 'replay', '--topic', letters, '--max-attempts', '3', '--yes', '--json')
    expect(JSON.parse(done.stdout), done.stderr).toMatchObject({
      replayed: 0,
      parked: 10,
      handledBefore: LETTERS,
    })
    expect((await readTopic(log, `${letters}.parked`)).flat()).toHaveLength(10)
    const places = [0, 1].map((partition) => ({ topic: letters, partition }))
    expect(await log.committedOffsets(handlingGroup(application), places)).toEqual(
      await log.offsets('stable', places),
    )
    expect(
      (await planHandling(specOn(log, { request: { ...REPLAY_ALL, again: true } }))).tally.toHandle,
    ).toBe(LETTERS + 10)
    const told = linesOf<{ result: string }>((await call('audit', '--json')).stdout)
    expect(told).toEqual(JSON.parse(JSON.stringify(await readAudit(log, application))))
    expect(
      told
        .map(({ result }) => result)
        .filter((result) => result !== 'begun')
        .sort(),
    ).toEqual(['failed', 'interrupted', 'ok', 'ok'])
  })
})
