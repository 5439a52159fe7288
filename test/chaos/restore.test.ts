/** What is lost beside the log comes back from it: local state, and the offsets of the group. */
import { existsSync, rmSync } from 'node:fs'
import path from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { Log } from '../../src/log/log.ts'
import type { KafkaBroker } from '../support/kafka/broker.ts'
import {
  APPLICATION,
  expectedBy,
  FLAGS,
  logLinesOf,
  onKafka,
  PARTITIONS,
  progressOf,
  publishedOn,
  watchingLog,
} from '../support/kafka/fleet.ts'
import { ownBrokerForTests } from '../support/kafka/kafka-for-tests.ts'
import { millrace } from '../support/millrace.ts'
import { compare } from '../support/sensor-oracle.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const FIRST = 80_000
const MORE = 20_000
const own = ownBrokerForTests()
const folder = temporaryFolder()
const here = { cwd: folder.path }
let log: Log | undefined

afterAll(() => log?.close())

/** So many further readings of many sensors, so that state is large. */
async function generate(broker: KafkaBroker, count: number): Promise<void> {
  const args = ['--sensors', '4000', '--count', String(count), '--late', '5%', '--duplicate', '2%']
  const { code, stderr } = await millrace(['generate', ...onKafka(broker), ...args], here)
  if (code !== 0) throw new Error(stderr)
}

/** Works all there is; the lines of the log, everything that is known of restores among them. */
async function work(broker: KafkaBroker, ...more: readonly string[]) {
  const flags = [
    ...onKafka(broker),
    ...FLAGS,
    '--until-end',
    '--commit-interval',
    '50ms',
    '--log-level',
    'debug',
  ]
  const { code, stderr } = await millrace(['run', ...flags, ...more], here)
  if (code !== 0) throw new Error(stderr)
  return logLinesOf(stderr)
}

describe.skipIf(own === null)('an application that has lost everything but its log', () => {
  it('restores its state from the changelogs, and goes on where it was without the offsets of its group', async () => {
    const broker = await own!.broker()
    log = await watchingLog(broker)
    await generate(broker, FIRST)
    await work(broker)
    expect(await progressOf(log)).toBe(FIRST)

    // No state.
    const state = path.join(folder.path, '.millrace', 'state')
    expect(existsSync(state)).toBe(true)
    rmSync(state, { recursive: true })
    await generate(broker, MORE)
    const lines = await work(broker)
    const started = lines.filter(({ msg }) => msg === 'task started')
    expect(started.map(({ task }) => task).sort()).toEqual(['0_0', '0_1', '0_2', '0_3'])
    const replayed = started.map((line) => Number(line['replayed']))
    expect(Math.min(...replayed)).toBeGreaterThan(1_000)
    for (const { task } of started) {
      const steps = lines.filter((line) => {
        return line.msg === 'restoring' && line['task'] === task && line['store'] === 'statistics'
      })
      const positions = steps.map((line) => Number(line['restored']))
      expect(positions).toEqual([...positions].sort((a, b) => a - b))
      expect(positions.at(-1)).toBe(steps.at(-1)?.['total'])
    }

    // No offsets in the group, as seven days after it was left; checkpoints and commit log agree.
    const main = 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand'
    await broker.tool(main, ['--bootstrap-server', broker.brokers, '--delete', '--group', APPLICATION])
    const inputs = Array.from({ length: PARTITIONS }, (_, partition) => ({ topic: 'readings', partition }))
    expect(await log.committedOffsets(APPLICATION, inputs)).toEqual([null, null, null, null])
    await generate(broker, MORE)
    await work(broker, '--flush')
    expect(await progressOf(log)).toBe(FIRST + 2 * MORE)
    const { expected, readings } = await expectedBy(broker)
    expect(readings).toBe(FIRST + 2 * MORE)
    expect(compare(expected, await publishedOn(broker))).toEqual({
      twice: [],
      missing: [],
      unexpected: [],
      disordered: [],
    })
  }, 180_000)
})
