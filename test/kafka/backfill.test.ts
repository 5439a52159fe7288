/** A backfill on a real broker: the same promise as on the embedded log. */
import { describe, expect, it } from 'vitest'
import { openKafkaLog } from '../../src/index.ts'
import { kafkaForTests } from '../support/kafka/kafka-for-tests.ts'
import { millrace, startMillrace, type Ended } from '../support/millrace.ts'
import { readTopic } from '../support/read-topic.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const kafka = await kafkaForTests()
const TOPIC = `backfilled-${process.pid}`
const START_MS = Date.UTC(2024, 0, 1)
const RANGE = { fromMs: START_MS + 300_000, toMs: START_MS + 700_000 }
const iso = (ms: number): string => new Date(ms).toISOString()

describe.skipIf(kafka === null)('a backfill on Kafka', () => {
  const folder = temporaryFolder()
  const here = {
    cwd: folder.path,
    env: { MILLRACE_LOG: 'kafka', MILLRACE_BROKERS: kafka?.brokers ?? '', MILLRACE_TOPIC: TOPIC },
  }
  const done = async (...args: readonly string[]): Promise<Ended> => {
    const ended = await millrace([...args, '--application-id', TOPIC, '--log-level', 'error'], here)
    expect([args[0], ended.code, ended.stderr]).toEqual([args[0], 0, expect.not.stringContaining('error')])
    return ended
  }

  it('stages as live what was published, also when it is killed on the way', async () => {
    const windows = ['--window', '5s', '--grace', '0s', '--session-timeout', '6s']
    const disorder = ['--late', '0.05', '--corrupt', '0.005', '--duplicate', '0.03']
    await millrace(['generate', '--to', TOPIC, '--count', '10000', '--sensors', '10', ...disorder], here)
    await done('run', '--until-end', ...windows)
    const range = ['--from', iso(RANGE.fromMs), '--to', iso(RANGE.toMs)]
    await done('backfill', 'plan', '--id', 'mid', ...range, ...windows)
    const own = ['--application-id', TOPIC]
    const killed = startMillrace(['backfill', 'run', 'mid', '--rate', '1000/s', ...own], here)
    await killed.until(({ stderr }) => stderr.includes('backfill'))
    expect((await killed.stop('SIGKILL')).code).toBeNull()
    const { stdout } = await done('backfill', 'run', 'mid', '--json')
    expect(JSON.parse(stdout)).toMatchObject({ state: 'ran', run: { attempts: 2 } })
    const log = await openKafkaLog({ brokers: kafka!.brokers.split(',') })
    try {
      const staged = await readTopic(log, 'aggregates.staging.mid')
      const published = await readTopic(log, 'aggregates')
      const bare = (records: (typeof staged)[number]): unknown[] =>
        records
          .filter(({ timestampMs }) => timestampMs >= RANGE.fromMs && timestampMs < RANGE.toMs)
          .map(({ key, value, timestampMs }) => [key, value, timestampMs])
      expect(staged.flat().length).toBeGreaterThan(300)
      expect(staged.map(bare)).toEqual(published.map(bare))
      expect(staged.flat().length).toBe(staged.flatMap(bare).length)
    } finally {
      await done('backfill', 'cancel', 'mid')
      await log.close()
    }
  }, 150_000)
})
