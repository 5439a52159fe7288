/** `run --standbys` on a real broker: a dead instance's tasks go on where copies of their state are. */
import { afterAll, describe, expect, it } from 'vitest'
import type { Log, TopicPartition } from '../../src/log/log.ts'
import { readRange } from '../../src/runtime/commit-log.ts'
import {
  APPLICATION,
  eventually,
  instanceIn,
  onKafka,
  PARTITIONS,
  progressOf,
  runCommand,
  watchingLog,
  type Instance,
} from '../support/kafka/fleet.ts'
import { ownBrokerForTests } from '../support/kafka/kafka-for-tests.ts'
import { millrace } from '../support/millrace.ts'
import { samplesOf } from '../support/prometheus-text.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const READINGS = 30_000
const STORES = ['seen', 'statistics']
const own = ownBrokerForTests()
const folder = temporaryFolder()
let log: Log | undefined

afterAll(() => log?.close())

/** Records that a restore of these tasks from nothing would apply. */
async function changelogRecords(tasks: readonly string[]): Promise<number> {
  let records = 0
  for (const store of STORES) {
    for (const task of tasks) {
      const partition: TopicPartition = {
        topic: `${APPLICATION}-${store}-changelog`,
        partition: Number(task.split('_')[1]),
      }
      const [start] = await log!.offsets('start', [partition])
      const [end] = await log!.offsets('stable', [partition])
      await readRange(log!, partition, start!, end!, () => records++)
    }
  }
  return records
}

/** Whether the copies that an instance keeps have nothing to catch up with. */
async function hasCopies({ told }: Instance, tasks: number): Promise<boolean> {
  const address = told.match(/"address":"(http:[^"]+)"/)?.[1]
  if (address === undefined) return false
  const text = await (await fetch(`${address}/metrics`)).text()
  const lags = Object.values(samplesOf(text, 'millrace_standby_lag_offsets'))
  // Behind the last record there is the marker of its transaction.
  return lags.length === STORES.length * tasks && lags.every((lag) => lag <= 1)
}

describe.skipIf(own === null)('an instance whose tasks another one takes over on Kafka', () => {
  it('is replaced with at least five times fewer changelog records than a restore applies', async () => {
    const broker = await own!.broker()
    log = await watchingLog(broker)
    const generate = (count: number) => {
      const size = ['--sensors', '1000', '--partitions', String(PARTITIONS), '--count', String(count)]
      return millrace(['generate', ...onKafka(broker), ...size], { cwd: folder.path })
    }
    expect((await generate(1)).code).toBe(0)
    const more = ['--standbys', '1', '--session-timeout', '6s', '--http', '127.0.0.1:0', '--window', '1h']
    const [victim, survivor] = ['a', 'b'].map((name) =>
      instanceIn(folder.path, name, runCommand(broker, ...more)),
    ) as [Instance, Instance]
    const failed = () => victim.endedByItself ?? survivor.endedByItself
    victim.start()
    survivor.start()
    const half = PARTITIONS / 2
    const share = (): boolean => victim.tasks.length === half && survivor.tasks.length === half
    await eventually('both have their share', share, failed)
    // Only now, so that the survivor has never worked what the other has.
    expect((await generate(READINGS - 1)).code).toBe(0)
    await eventually('all is worked', async () => (await progressOf(log!)) >= READINGS, failed)
    await eventually('the copies have caught up', () => hasCopies(survivor, half), failed)
    const lost = victim.tasks
    const whole = await changelogRecords(lost)
    const told = survivor.lines.length
    await victim.end('SIGKILL')
    await eventually('the other has all tasks', () => survivor.tasks.length === PARTITIONS, failed)
    const started = survivor.lines.slice(told).filter(({ msg }) => msg === 'task started')
    const replayed = lost.map((task) => Number(started.find((line) => line['task'] === task)!['replayed']))
    const sum = replayed.reduce((total, count) => total + count, 0)
    console.log(`changelog records: ${whole} in all, ${sum} replayed by who had a copy`)
    expect(whole).toBeGreaterThan(500)
    expect(sum * 5).toBeLessThanOrEqual(whole)
    expect(survivor.told).not.toContain('removed')
    expect(await survivor.end('SIGTERM')).toBe(0)
  }, 300_000)
})
