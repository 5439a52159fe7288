/** `run --workers` on a real broker: killed in the middle of it, the results are the oracle's all the same. */
import { expect, describe, it, afterAll } from 'vitest'
import type { Log } from '../../src/log/log.ts'
import {
  eventually,
  expectedBy,
  FLAGS,
  instanceIn,
  onKafka,
  progressOf,
  publishedOn,
  runCommand,
  watchingLog,
} from '../support/kafka/fleet.ts'
import { ownBrokerForTests } from '../support/kafka/kafka-for-tests.ts'
import { millrace } from '../support/millrace.ts'
import { compare } from '../support/sensor-oracle.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const READINGS = 40_000
const WORKERS = ['--workers', '3']
const own = ownBrokerForTests()
const folder = temporaryFolder()
let log: Log | undefined

afterAll(() => log?.close())

describe.skipIf(own === null)('three workers in one process on Kafka', () => {
  it('publish what the oracle says, killed once and started again', async () => {
    const broker = await own!.broker()
    log = await watchingLog(broker)
    const size = ['--sensors', '50', '--count', String(READINGS)]
    const generated = await millrace(['generate', ...onKafka(broker), ...size, '--late', '5%'], {
      cwd: folder.path,
    })
    expect(generated.code).toBe(0)
    const often = ['--commit-interval', '20ms', '--session-timeout', '6s']
    const instance = instanceIn(folder.path, 'a', runCommand(broker, ...WORKERS, ...often))
    instance.start()
    await eventually(
      'some of it is worked',
      async () => (await progressOf(log!)) > READINGS / 20,
      () => instance.endedByItself,
    )
    await instance.end('SIGKILL')
    expect(await progressOf(log)).toBeLessThan(READINGS)

    const flags = [...onKafka(broker), ...FLAGS, ...WORKERS, '--until-end', '--flush', '--log-level', 'debug']
    const last = await millrace(['run', ...flags, '--json'], { cwd: instance.folder })
    expect(last.code, last.stderr).toBe(0)
    expect(last.stderr).toContain('task started')
    expect(instance.told + last.stderr).not.toContain('local state was removed')
    const { expected, readings } = await expectedBy(broker)
    expect(readings).toBe(READINGS)
    const { twice, missing, unexpected, disordered } = compare(expected, await publishedOn(broker))
    expect({ twice, missing, unexpected, disordered }).toEqual({
      twice: [],
      missing: [],
      unexpected: [],
      disordered: [],
    })
  }, 300_000)
})
