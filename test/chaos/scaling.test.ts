/** Instances come and go under load: the same results, and a dead one's tasks are soon worked by the others. */
import path from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { sleep, systemClock } from '../../src/clock.ts'
import type { Log } from '../../src/log/log.ts'
import {
  eventually,
  expectedBy,
  FLAGS,
  instanceIn,
  onKafka,
  progressOf,
  publishedOn,
  watchingLog,
  runCommand,
  workedBy,
  type Instance,
} from '../support/kafka/fleet.ts'
import type { KafkaBroker } from '../support/kafka/broker.ts'
import { ownBrokerForTests } from '../support/kafka/kafka-for-tests.ts'
import { millrace, startMillrace } from '../support/millrace.ts'
import { compare } from '../support/sensor-oracle.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

/** Each second; as many as it takes until the last of the kills is over. */
const RATE = 1_000
const SESSION_MS = 10_000
/** What a takeover may take beyond the session of the dead. */
const TAKEOVER_MS = 2_000
const KILLS = 3
const SETTLE_MS = 150
const own = ownBrokerForTests()
const folder = temporaryFolder()
let log: Log | undefined

afterAll(() => log?.close())

/** How long the others need until they have committed work of every task of `victim`, which is killed. */
async function takeoverMs(victim: Instance): Promise<number> {
  const partitions = victim.tasks.map((task) => Number(task.split('_')[1]))
  const killedMs = systemClock.monotonic()
  await victim.end('SIGKILL')
  // What it had decided before it died is not the work of others.
  await sleep(systemClock, SETTLE_MS)
  const before = await workedBy(log!)
  const isTakenOver = async (): Promise<boolean> => {
    const now = await workedBy(log!)
    return partitions.every((partition) => now[partition]! > before[partition]!)
  }
  await eventually('the others work for the dead', isTakenOver)
  return systemClock.monotonic() - killedMs
}

function startGenerator(broker: KafkaBroker) {
  const size = ['--sensors', '50', '--rate', `${RATE}/s`]
  return startMillrace(['generate', ...onKafka(broker), ...size, '--late', '5%'], { cwd: folder.path })
}

describe.skipIf(own === null)(
  'an application that grows from one instance to three and shrinks to two',
  () => {
    it('publishes the same, and a dead instance is replaced within its session and two seconds', async () => {
      const broker = await own!.broker()
      log = await watchingLog(broker)
      const command = runCommand(broker, '--session-timeout', `${SESSION_MS}ms`)
      const [first, ...more] = ['a', 'b', 'c'].map((name) => instanceIn(folder.path, name, command))
      const instances = [first!, ...more]
      const failed = () =>
        instances.map(({ endedByItself }) => endedByItself).find((text) => text !== undefined)
      const allWork = (): boolean => instances.every(({ tasks }) => tasks.length > 0)
      const worked = (readings: number) =>
        eventually(
          `${readings} readings are worked`,
          async () => (await progressOf(log!)) >= readings,
          failed,
        )

      const generator = startGenerator(broker)
      first!.start()
      await worked(5 * RATE)
      expect(first!.tasks).toHaveLength(4)
      for (const instance of more) instance.start()
      const takeoversMs: number[] = []
      for (let kill = 0; kill < KILLS; kill++) {
        await eventually('all three have tasks', allWork, failed)
        expect(instances.flatMap(({ tasks }) => tasks).sort()).toEqual(['0_0', '0_1', '0_2', '0_3'])
        await worked((await progressOf(log)) + RATE)
        const victim = instances[kill % instances.length]!
        takeoversMs.push(await takeoverMs(victim))
        if (kill < KILLS - 1) victim.start()
      }
      console.log(
        `from SIGKILL to the first commit for the dead: ${takeoversMs.map(Math.round).join(', ')} ms`,
      )
      expect(Math.max(...takeoversMs)).toBeLessThanOrEqual(SESSION_MS + TAKEOVER_MS)

      expect((await generator.stop()).code).toBe(0)
      for (const instance of instances) expect([0, undefined]).toContain(await instance.end('SIGTERM'))
      const flags = [...onKafka(broker), ...FLAGS, '--until-end', '--flush']
      const last = await millrace(['run', ...flags], { cwd: path.join(folder.path, 'a') })
      expect([last.code, last.stderr]).toEqual([0, ''])
      const { expected, readings } = await expectedBy(broker)
      expect(readings).toBeGreaterThan((5 + KILLS) * RATE)
      expect(compare(expected, await publishedOn(broker))).toEqual({
        twice: [],
        missing: [],
        unexpected: [],
        disordered: [],
      })
    }, 260_000)
  },
)
